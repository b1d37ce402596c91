"""Takes logs by OTLP over HTTP where there is no Loki, and tells what it got; needs nothing but Python's own library.

GET /logs?pod=redis-0&text=ready answers the lines that carry these labels and contain the text, as a JSON list.
"""

from __future__ import annotations

import gzip
import json
import sys
import threading
from collections.abc import Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

Line = dict[str, Any]
# Of the messages of opentelemetry/proto/logs/v1/logs.proto.
RESOURCE_LOGS = RESOURCE = ATTRIBUTES = 1
SCOPE_LOGS = LOG_RECORDS = 2
KEY, VALUE, STRING, BODY = 1, 2, 1, 5


def varint(data: bytes, at: int) -> tuple[int, int]:
    """A number of the wire format, and where it ends."""
    number = shift = 0
    while True:
        byte = data[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at
        shift += 7


def members(data: bytes, wanted: int) -> Iterator[bytes]:
    """The strings or messages in a field of a message."""
    at = 0
    while at < len(data):
        tag, at = varint(data, at)
        match tag & 7:
            case 0:
                _skipped, at = varint(data, at)
            case 1:
                at += 8
            case 5:
                at += 4
            case 2:
                size, at = varint(data, at)
                if tag >> 3 == wanted:
                    yield data[at : at + size]
                at += size


def text(value: bytes) -> str:
    return b"".join(members(value, STRING)).decode(errors="replace")


def lines(request: bytes) -> Iterator[Line]:
    """Each line of an export request with the attributes of its resource."""
    for group in members(request, RESOURCE_LOGS):
        pairs = [pair for resource in members(group, RESOURCE) for pair in members(resource, ATTRIBUTES)]
        labels = {b"".join(members(pair, KEY)).decode(): text(b"".join(members(pair, VALUE))) for pair in pairs}
        for scope in members(group, SCOPE_LOGS):
            for record in members(scope, LOG_RECORDS):
                yield {"labels": labels, "text": text(b"".join(members(record, BODY)))}


class Receiver(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, port: int) -> None:
        super().__init__(("", port), Handler)
        self.lines: list[Line] = []
        self.lock = threading.Lock()

    def found(self, query: dict[str, str]) -> list[Line]:
        part = query.pop("text", "")
        with self.lock:
            return [each for each in self.lines if part in each["text"] and query.items() <= each["labels"].items()]


class Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_GET(self) -> None:
        self._answer(self.server.found(dict(parse_qsl(urlsplit(self.path).query))))

    def do_POST(self) -> None:
        data = self.rfile.read(int(self.headers["content-length"]))
        given = list(lines(gzip.decompress(data) if self.headers.get("content-encoding") == "gzip" else data))
        with self.server.lock:
            self.server.lines += given
        self._answer(None)

    def _answer(self, body: object) -> None:
        data = b"" if body is None else json.dumps(body).encode()
        self.send_response(HTTPStatus.OK)
        self.send_header("content-type", "application/x-protobuf" if body is None else "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_arguments: object) -> None:
        """What it logs would be collected, too."""


if __name__ == "__main__":
    Receiver(int(sys.argv[1])).serve_forever()
