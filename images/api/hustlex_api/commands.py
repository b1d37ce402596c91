"""The long-running commands: serve and worker."""

import asyncio
import logging

from hustlex_api import VERSION, metrics
from hustlex_api.server import Server, stop_signal
from hustlex_api.services import open_services
from hustlex_api.settings import Settings
from hustlex_api.web import api_app, probe_app
from hustlex_api.worker import Worker

log = logging.getLogger(__name__)


async def serve(settings: Settings) -> None:
    stop = stop_signal()
    async with open_services(settings, "hustlex-api") as services:
        server = Server(api_app(services), settings.port, settings.request_seconds + 1)
        metrics.active_connections.set_function(lambda: server.connections)
        serving = asyncio.create_task(server.run_until_told())
        await _first(serving, stop)
        services.monitor.stopping = True
        log.info("draining", extra={"seconds": settings.drain_seconds, "connections": server.connections})
        await asyncio.sleep(settings.drain_seconds)
        server.should_exit = True
        await serving
    log.info("stopped")


async def work(settings: Settings) -> None:
    stop = stop_signal()
    async with open_services(settings, "hustlex-worker") as services:
        server = Server(probe_app(services), settings.worker_port, 1)
        worker = Worker(services)
        serving = asyncio.create_task(server.run_until_told())
        working = asyncio.create_task(worker.run())
        await _first(serving, stop, working)
        services.monitor.stopping = True
        worker.stopping.set()
        log.info("finishing jobs", extra={"seconds": settings.worker_grace_seconds})
        await asyncio.wait([working], timeout=settings.worker_grace_seconds)
        working.cancel()
        await asyncio.wait([working])
        server.should_exit = True
        await serving
    log.info("stopped")


async def _first(serving: asyncio.Task[None], stop: asyncio.Event, *others: asyncio.Task[None]) -> None:
    """Until told to stop; a task that ends by itself before that has failed, and its error ends the command."""
    waiting = asyncio.create_task(stop.wait())
    done, _pending = await asyncio.wait([serving, waiting, *others], return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    for task in done - {waiting}:
        task.result()


def run(command: str, settings: Settings) -> None:
    log.info("starting", extra={"command": command, "version": VERSION, "environment": settings.env})
    settings.faults.at_start()
    asyncio.run(serve(settings) if command == "serve" else work(settings))
