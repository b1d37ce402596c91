"""What API and worker share: the database pool, Redis, the queue and the monitor. Opened without waiting for either."""

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from hustlex_api import metrics
from hustlex_api.health import Monitor
from hustlex_api.jobs import Pool, Queue
from hustlex_api.settings import Settings


@dataclass
class Services:
    settings: Settings
    pool: Pool
    redis: Redis
    queue: Queue
    monitor: Monitor
    started: float = field(default_factory=time.monotonic)

    @property
    def age_seconds(self) -> float:
        return time.monotonic() - self.started


def _pool(settings: Settings, name: str) -> Pool:
    return AsyncConnectionPool(
        connection_class=AsyncConnection[dict[str, Any]],
        kwargs={**settings.database.connection(name), "row_factory": dict_row},
        min_size=1,
        max_size=settings.pool_size,
        timeout=5,
        # Short, so that after an outage the next request tries anew instead of waiting out a long backoff.
        reconnect_timeout=5,
        check=AsyncConnectionPool.check_connection,
        open=False,
    )


def _redis(settings: Settings) -> Redis:
    return Redis(
        host=settings.redis.host,
        port=settings.redis.port,
        username=settings.redis.user,
        password=settings.redis.password,
        decode_responses=True,
        socket_connect_timeout=3,
        socket_timeout=5,
        # Once, at once: for a connection that the server closed meanwhile. Longer waits belong to the callers.
        retry=Retry(NoBackoff(), 1),
        protocol=2,
    )


@asynccontextmanager
async def open_services(settings: Settings, name: str) -> AsyncIterator[Services]:
    pool, redis = _pool(settings, name), _redis(settings)
    consumer = f"{socket.gethostname()}-{os.getpid()}"
    queue = Queue(redis, consumer, settings.job_claim_seconds, settings.job_requeue_seconds)
    monitor = Monitor(settings, redis)
    await pool.open(wait=False)
    background = [asyncio.create_task(monitor.run()), asyncio.create_task(settings.faults.in_background())]
    metrics.pool_connections.labels("open").set_function(lambda: pool.get_stats()["pool_size"])
    metrics.pool_connections.labels("idle").set_function(lambda: pool.get_stats()["pool_available"])
    metrics.pool_connections.labels("awaited").set_function(lambda: pool.get_stats()["requests_waiting"])
    try:
        yield Services(settings, pool, redis, queue, monitor)
    finally:
        for task in background:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        await pool.close(timeout=5)
        await redis.aclose()
