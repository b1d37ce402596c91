"""HTTP server with the shutdown that a rolling update needs."""

import asyncio
import contextlib
import logging
import os
import signal
import socket
from collections.abc import Iterator

import uvicorn
from starlette.applications import Starlette

from hustlex_api.errors import CommandError, Exit

log = logging.getLogger(__name__)


class Server(uvicorn.Server):
    """uvicorn without its own signal handlers: who starts it decides when it stops."""

    def __init__(self, app: Starlette, port: int, finish_seconds: float) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_keep_alive=75,
                timeout_graceful_shutdown=int(finish_seconds),
            )
        )
        self.port = port

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def run_until_told(self) -> None:
        with _listen(self.port) as listener:
            log.info("listening", extra={"port": self.port})
            await self.serve([listener])

    @property
    def connections(self) -> int:
        return len(self.server_state.connections)


def _listen(port: int) -> socket.socket:
    dual = socket.has_dualstack_ipv6()
    family = socket.AF_INET6 if dual else socket.AF_INET
    try:
        return socket.create_server(("", port), family=family, dualstack_ipv6=dual, backlog=2048)
    except OSError as error:
        raise CommandError(
            Exit.CONFIGURATION, f"port {port} cannot be opened: {os.strerror(error.errno or 0)}"
        ) from error


def stop_signal() -> asyncio.Event:
    """Set by SIGTERM and SIGINT."""
    event = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, event.set)
    return event
