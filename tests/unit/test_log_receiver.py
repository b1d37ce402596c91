"""The stand-in for Loki reads what a collector sends."""

from __future__ import annotations

import gzip
import json
import sys
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
from log_receiver import Receiver


def number(value: int) -> bytes:
    found = b""
    while value > 0x7F:
        found += bytes([value & 0x7F | 0x80])
        value >>= 7
    return found + bytes([value])


def field(index: int, content: bytes) -> bytes:
    return number(index << 3 | 2) + number(len(content)) + content


def pair(key: str, value: str) -> bytes:
    return field(1, key.encode()) + field(2, field(1, value.encode()))


def record(text: str) -> bytes:
    moment, severity = number(1 << 3 | 1) + bytes(8), number(2 << 3) + number(300)
    flags = number(8 << 3 | 5) + bytes(4)
    return moment + severity + field(5, field(1, text.encode())) + field(6, pair("log.iostream", "stdout")) + flags


def request(pod: str, *texts: str) -> bytes:
    resource = field(1, field(1, pair("pod", pod)) + field(1, pair("app", "redis")))
    return field(1, resource + field(2, b"".join(field(2, record(text)) for text in texts)))


@pytest.fixture
def url() -> Iterator[str]:
    receiver = Receiver(0)
    threading.Thread(target=receiver.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{receiver.server_address[1]}"
    receiver.shutdown()
    receiver.server_close()


def ask(address: str, data: bytes | None = None, **headers: str) -> bytes:
    wanted = urllib.request.Request(address, data, headers)
    with urllib.request.urlopen(wanted, timeout=10) as answer:
        body: bytes = answer.read()
    return body


def logs(address: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(ask(address))
    return found


def test_lines_are_found_by_their_labels_and_text(url: str) -> None:
    long = "x" * 300
    body = request("redis-0", "Ready to accept connections", long) + request("redis-1", "é")
    assert ask(f"{url}/otlp/v1/logs", gzip.compress(body), **{"Content-Encoding": "gzip"}) == b""
    assert ask(f"{url}/otlp/v1/logs", request("redis-0", "Ready again")) == b""
    assert logs(f"{url}/logs?pod=redis-0&app=redis&text=to+accept") == [
        {"labels": {"pod": "redis-0", "app": "redis"}, "text": "Ready to accept connections"}
    ]
    assert [each["text"] for each in logs(f"{url}/logs?pod=redis-0&text=Ready")] == [
        "Ready to accept connections",
        "Ready again",
    ]
    assert [each["text"] for each in logs(f"{url}/logs?pod=redis-1")] == ["é"]
    assert len(logs(f"{url}/logs?text={long}")) == 1
    assert logs(f"{url}/logs?pod=redis-2") == []
