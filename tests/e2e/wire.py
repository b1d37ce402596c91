"""HTTP/1.1 over asyncio's streams: as little work for each request as a load on a busy machine allows."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class BrokenAnswerError(Exception):
    """What came is no complete HTTP answer."""


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes
    closes: bool


@dataclass
class Client:
    """Sends requests to one address, each over a connection of its own or over one that is kept for later ones."""

    host: str
    port: int
    _kept: deque[Connection] = field(default_factory=deque)

    async def send(
        self, method: str, path: str, headers: dict[str, str], body: bytes = b"", keep: bool = False
    ) -> Answer:
        """Raises OSError or BrokenAnswerError; cancelled, it leaves no connection behind."""
        rested = self._take() if keep else None
        reader, writer = rested or await asyncio.open_connection(self.host, self.port)
        goes_on = False
        try:
            writer.write(self._request(method, path, headers, body, keep))
            answer = await _answer(reader)
            goes_on = keep and not answer.closes
        finally:
            if not goes_on:
                writer.close()
        if goes_on:
            self._kept.append((reader, writer))
        return answer

    def close(self) -> None:
        while self._kept:
            self._kept.popleft()[1].close()

    def _take(self) -> Connection | None:
        """The connection that rested longest: each is used often enough to hear that its server is about to leave."""
        while self._kept:
            reader, writer = self._kept.popleft()
            if not reader.at_eof():
                return reader, writer
            writer.close()
        return None

    def _request(self, method: str, path: str, headers: dict[str, str], body: bytes, keep: bool) -> bytes:
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self.host}:{self.port}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        lines += [f"Content-Length: {len(body)}"] if body else []
        lines += [f"Connection: {'keep-alive' if keep else 'close'}", "", ""]
        return "\r\n".join(lines).encode() + body


async def _answer(reader: asyncio.StreamReader) -> Answer:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _colon, value in (line.partition(":") for line in head[1:])}
        length = headers.get("content-length")
        body = await reader.read() if length is None else await reader.readexactly(int(length))
        closes = length is None or headers.get("connection", "").lower() == "close"
        return Answer(int(head[0].split()[1]), body, closes)
    except asyncio.IncompleteReadError as error:
        raise BrokenAnswerError(f"closed after {len(error.partial)} bytes") from error
    except (asyncio.LimitOverrunError, ValueError, IndexError) as error:
        raise BrokenAnswerError(f"no HTTP: {error}") from error
