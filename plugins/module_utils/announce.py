# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tells people and dashboards what happens: a Slack-compatible webhook and annotations of Grafana.

The address of a webhook is a secret, and so is a token: no message of this module holds any of them, nor what an answer
says.
https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks
https://grafana.com/docs/grafana/latest/developers/http_api/annotations/
"""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit


class AnnounceError(Exception):
    """Why a receiver was not told, in a few words without addresses, credentials or answers."""


@dataclass(frozen=True)
class Receiver:
    """One that is told; send: raises AnnounceError."""

    name: str
    send: Callable[[float], None]


@dataclass(frozen=True)
class Announcement:
    """event: start, success or failure."""

    event: str
    text: str
    tags: tuple[str, ...]
    moment: datetime

    def for_webhook(self) -> dict[str, Any]:
        """Slack reads `<...>` as a mention or a link, so that it wants these three characters escaped."""
        return {"text": self.text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")}

    def for_grafana(self) -> dict[str, Any]:
        tags = list(dict.fromkeys([*self.tags, self.event]))
        return {"time": int(self.moment.timestamp() * 1000), "tags": tags, "text": self.text}


def webhook(url: str, announcement: Announcement) -> Receiver:
    return Receiver("The webhook", lambda seconds: _post(url, announcement.for_webhook(), {}, seconds))


def grafana(url: str, token_file: str, announcement: Announcement) -> Receiver:
    def send(seconds: float) -> None:
        headers = {"Authorization": f"Bearer {_token(token_file)}"}
        _post(f"{url.rstrip('/')}/api/annotations", announcement.for_grafana(), headers, seconds)

    return Receiver("Grafana", send)


def tell(receivers: Iterable[Receiver], seconds: float) -> dict[str, str]:
    """Tell all at once, and wait so long for all together; per receiver what went wrong, empty when it was told.

    A thread each, because nothing else bounds the time that the name of a host or an answer in drops may take.
    """
    told = {receiver.name: f"no answer within {seconds:g} s" for receiver in receivers}

    def run(receiver: Receiver) -> None:
        try:
            receiver.send(seconds)
            told[receiver.name] = ""
        except AnnounceError as error:
            told[receiver.name] = str(error)

    threads = [threading.Thread(target=run, args=(receiver,), daemon=True) for receiver in receivers]
    deadline = time.monotonic() + seconds
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    return dict(told)


def _token(file: str) -> str:
    if not file:
        raise AnnounceError("no file with its token is named")
    try:
        token = Path(file).expanduser().read_text(encoding="ascii").strip()
    except FileNotFoundError:
        raise AnnounceError(f"the file with its token, {file}, does not exist") from None
    except (OSError, UnicodeDecodeError):
        raise AnnounceError(f"the file with its token, {file}, cannot be read") from None
    if not token or not token.isprintable() or " " in token:
        raise AnnounceError(f"the file {file} holds no token")
    return token


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """What is sent elsewhere would arrive there as a GET without its content."""

    def redirect_request(self, *_arguments: Any) -> None:
        return None


def _post(url: str, content: Mapping[str, Any], headers: Mapping[str, str], seconds: float) -> None:
    try:
        if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
            raise AnnounceError("its address does not begin with http:// or https:// and a host")
        request = urllib.request.Request(  # noqa: S310 - the scheme is checked
            url,
            data=json.dumps(content).encode(),
            headers={"Content-Type": "application/json", "User-Agent": "hustlex.platform", **headers},
        )
        with urllib.request.build_opener(_NoRedirect).open(request, timeout=seconds):
            pass
    except urllib.error.HTTPError as error:
        raise AnnounceError(f"it answered {error.code}") from None
    except urllib.error.URLError as error:
        raise AnnounceError(_words(error.reason, seconds)) from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise AnnounceError(_words(error, seconds)) from None


def _words(error: object, seconds: float) -> str:
    match error:
        case TimeoutError():
            return f"no answer within {seconds:g} s"
        case ConnectionRefusedError():
            return "the connection was refused"
        case socket.gaierror():
            return "its host name is not known"
        case ssl.SSLCertVerificationError():
            return "its certificate is not trusted"
        case http.client.InvalidURL() | ValueError() if not isinstance(error, OSError):
            return "its address is not one"
        case http.client.HTTPException():
            return "what it answered is not HTTP"
        case OSError(strerror=str(reason)) if not isinstance(error, ssl.SSLError):
            return reason.lower()
        case _:
            return "the connection broke"
