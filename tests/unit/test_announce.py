"""What is sent, to a real server on this machine, and what is said of one that does not take it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.hustlex.platform.plugins.module_utils.announce import (
    Announcement,
    Receiver,
    grafana,
    tell,
    webhook,
)

ROOT = Path(__file__).parents[2]
NEWS = Announcement("success", "v2 <runs> & is fine", ("hustlex", "success"), datetime(2026, 11, 25, 10, tzinfo=UTC))
SECRET_PATH, TOKEN = "/services/T0/B0/secret-hook", "glsa_secret-token"


@dataclass
class Chat:
    """An HTTP server that keeps what it is sent. mode: ok, refuse, redirect, hang, drip or garbage."""

    mode: str = "ok"
    received: list[tuple[str, dict[str, str], Any]] = field(default_factory=list)
    url: str = ""
    released: threading.Event = field(default_factory=threading.Event)


@pytest.fixture
def chat(monkeypatch: pytest.MonkeyPatch) -> Iterator[Chat]:
    monkeypatch.setenv("NO_PROXY", "*")
    state = Chat()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            state.received.append((self.path, dict(self.headers), content))
            if state.mode == "hang":
                state.released.wait(20)
            elif state.mode == "drip":
                self._drip()
            elif state.mode == "garbage":
                self.wfile.write(b"SSH-2.0-no-http\r\n")
            else:
                self.send_response({"ok": 200, "refuse": 500, "redirect": 302}[state.mode])
                self.send_header("Location", "/elsewhere")
                self.end_headers()
                self.wfile.write(f"no such hook {SECRET_PATH}".encode())

        def _drip(self) -> None:
            """Bytes come, so that no read times out, but the answer has no end."""
            for letter in "HTTP/1.1 200 OK\r\nX-Slow: " + "x" * 200:
                if state.released.wait(0.2):
                    return
                self.wfile.write(letter.encode())

        def log_message(self, *_arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield state
    state.released.set()
    server.shutdown()
    server.server_close()


@pytest.fixture
def token(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text(f"{TOKEN}\n")
    return path


def test_both_are_told(chat: Chat, token: Path) -> None:
    receivers = [webhook(chat.url + SECRET_PATH, NEWS), grafana(f"{chat.url}/grafana/", str(token), NEWS)]
    assert tell(receivers, 5) == {"The webhook": "", "Grafana": ""}
    received = {path: (headers, content) for path, headers, content in chat.received}
    headers, content = received[SECRET_PATH]
    assert (headers["Content-Type"], content) == ("application/json", {"text": "v2 &lt;runs&gt; &amp; is fine"})
    headers, content = received["/grafana/api/annotations"]
    assert headers["Authorization"] == f"Bearer {TOKEN}"
    assert content == {"time": 1795600800000, "tags": ["hustlex", "success"], "text": "v2 <runs> & is fine"}


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        ("refuse", "it answered 500"),
        ("redirect", "it answered 302"),
        ("garbage", "what it answered is not HTTP"),
        ("hang", "no answer within 1 s"),
        ("drip", "no answer within 1 s"),
    ],
)
def test_a_receiver_that_does_not_take_it(chat: Chat, mode: str, words: str) -> None:
    chat.mode = mode
    began = time.monotonic()
    assert tell([webhook(chat.url + SECRET_PATH, NEWS)], 1) == {"The webhook": words}
    assert time.monotonic() - began < 3


def test_the_limit_is_one_for_all_receivers_together() -> None:
    released = threading.Event()

    def hang(_seconds: float) -> None:
        released.wait(20)

    began = time.monotonic()
    told = tell([Receiver(str(number), hang) for number in range(5)], 0.5)
    took = time.monotonic() - began
    released.set()
    assert set(told.values()) == {"no answer within 0.5 s"}
    assert took < 1.5


def closed_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@pytest.mark.parametrize(
    ("url", "words"),
    [
        pytest.param(f"http://127.0.0.1:{closed_port()}/x", "the connection was refused", id="closed port"),
        ("http://no-such-host.invalid/x", "its host name is not known"),
        *(
            (url, "its address does not begin with http:// or https:// and a host")
            for url in ("file:///etc/passwd", "ftp://127.0.0.1/x", "hooks.example.com/x", "http://", "https:///x", " ")
        ),
        *(
            (url, "its address is not one")
            for url in ("http://127.0.0.1:port/x", "http://[::1/x", "http://127.0.0.1/a b\n")
        ),
    ],
)
def test_addresses_that_lead_nowhere(url: str, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    assert tell([webhook(url, NEWS)], 5) == {"The webhook": words}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "the file with its token, {file}, does not exist"),
        (b"", "the file {file} holds no token"),
        (b"two words", "the file {file} holds no token"),
        (b"glsa_a\nglsa_b", "the file {file} holds no token"),
        ("glsa_ü".encode(), "the file with its token, {file}, cannot be read"),
    ],
)
def test_tokens_that_are_none(chat: Chat, tmp_path: Path, content: bytes | None, words: str) -> None:
    file = tmp_path / "token"
    if content is not None:
        file.write_bytes(content)
    assert tell([grafana(chat.url, str(file), NEWS)], 5) == {"Grafana": words.format(file=file)}
    assert tell([grafana(chat.url, "", NEWS)], 5) == {"Grafana": "no file with its token is named"}
    assert chat.received == []


def played(folder: Path, *arguments: str, **options: Any) -> tuple[int, str]:
    """Exit code and whole output of a play with one task, as wordy as can be."""
    task = {"hustlex.platform.announce": {"event": "failure", "text": "v2 is taken back", **options}}
    report = {"ansible.builtin.debug": {"var": "told"}}
    play = {"hosts": "localhost", "gather_facts": False, "tasks": [{**task, "register": "told"}, report]}
    path = folder / "play.yml"
    path.write_text(yaml.safe_dump([play]))
    done = subprocess.run(
        ["ansible-playbook", "-i", "localhost,", "-c", "local", "-vvv", str(path), *arguments],
        cwd=ROOT,
        env={**os.environ, "ANSIBLE_NOCOLOR": "1", "NO_PROXY": "*"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout


def test_a_play_tells_and_shows_neither_address_nor_token(chat: Chat, token: Path, tmp_path: Path) -> None:
    options = {"webhook_url": chat.url + SECRET_PATH, "grafana_url": chat.url, "grafana_token_file": str(token)}
    code, output = played(tmp_path, **options)
    assert (code, sorted(path for path, _headers, _content in chat.received)) == (0, ["/api/annotations", SECRET_PATH])
    assert "changed=0" in output
    chat.mode = "refuse"
    failed, told = played(tmp_path, **options)
    assert failed == 0
    assert "The webhook was not told: it answered 500; the run goes on." in " ".join(told.split())
    assert "Grafana was not told: it answered 500; the run goes on." in " ".join(told.split())
    for text in (output, told):
        assert chat.url not in text
        assert SECRET_PATH not in text
        assert TOKEN not in text


def test_a_play_does_not_wait_for_a_receiver_that_hangs(chat: Chat, tmp_path: Path) -> None:
    chat.mode = "hang"
    began = time.monotonic()
    code, output = played(tmp_path, webhook_url=chat.url + SECRET_PATH)
    assert code == 0
    assert "no answer within 5 s" in output
    assert time.monotonic() - began < 60


def test_check_mode_tells_nobody(chat: Chat, tmp_path: Path) -> None:
    code, output = played(tmp_path, "--check", webhook_url=chat.url + SECRET_PATH)
    assert (code, chat.received) == (0, [])
    assert "was not told" not in output
