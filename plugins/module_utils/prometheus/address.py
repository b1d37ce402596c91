# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Prometheus at an address of its own."""

from __future__ import annotations

import re
import ssl
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import urllib3

from .errors import READ_SECONDS, SettingsError, UnavailableError

CONNECT_SECONDS = 5


class Address:
    """Asked over HTTP, with the token and the trusted certificates of two files."""

    def __init__(self, url: str, bearer_token_file: str = "", ca_file: str = "") -> None:
        self._url = _checked_url(url)
        self._headers = {"accept": "application/json", "user-agent": "hustlex.platform"}
        if bearer_token_file:
            self._headers["authorization"] = f"Bearer {_token(Path(bearer_token_file))}"
        self._pool = urllib3.PoolManager(
            timeout=urllib3.Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS), **_trust(ca_file)
        )

    @property
    def name(self) -> str:
        return f"Prometheus at {self._url}"

    def get(self, path: str) -> tuple[int, bytes]:
        try:
            response = self._pool.request(
                "GET",
                f"{self._url}{path}",
                headers=self._headers,
                # A connection that was kept alive may be closed by now.
                retries=urllib3.Retry(1, redirect=False, respect_retry_after_header=False),
            )
        except urllib3.exceptions.HTTPError as error:
            raise UnavailableError(
                f"{self.name} cannot be reached ({_network_problem(error)}): is it running, and is its address right?"
            ) from error
        if response.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            raise UnavailableError(f"{self.name} does not let us in ({response.status}): check bearer_token_file.")
        return response.status, response.data


def _checked_url(url: str) -> str:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        usable = False
    if not usable or parts.query or parts.fragment:
        raise SettingsError("url must be the address of Prometheus, such as https://prometheus.example.com.")
    if "@" in parts.netloc:
        raise SettingsError("url must not hold credentials: put a token into a file and name it in bearer_token_file.")
    return url.rstrip("/")


def _token(path: Path) -> str:
    try:
        token = path.read_text(encoding="ascii").strip()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise SettingsError(f"bearer_token_file {path} cannot be read: {reason}.") from error
    if not re.fullmatch(r"[!-~]+", token):
        raise SettingsError(f"bearer_token_file {path} holds no token: it must be one word on one line.")
    return token


def _trust(ca_file: str) -> dict[str, Any]:
    if not ca_file:
        return {}
    try:
        return {"ssl_context": ssl.create_default_context(cafile=ca_file)}
    except OSError as error:  # SSLError is one
        reason = "it holds no certificate" if isinstance(error, ssl.SSLError) else error.strerror
        raise SettingsError(f"ca_file {ca_file} cannot be used: {reason}.") from error


def _network_problem(error: BaseException) -> str:
    cause = getattr(error, "reason", None)
    text = str(cause if isinstance(cause, BaseException) else error)
    for words in ("certificate verify failed", "Connection refused", "Name or service not known", "timed out"):
        if words in text:
            return words.lower()
    return text.rsplit(": ", 1)[-1].strip("()")
