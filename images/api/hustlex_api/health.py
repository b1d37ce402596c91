"""Watches PostgreSQL and Redis in the background, so that a probe is answered at once and never queues for them."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from typing import Any

import psycopg
from redis.asyncio import Redis
from redis.exceptions import AuthenticationError, RedisError

from hustlex_api import VERSION, metrics
from hustlex_api.jobs import STREAM
from hustlex_api.schema import head
from hustlex_api.settings import Settings

log = logging.getLogger(__name__)
INTERVAL_SECONDS = 2
PROBE_SECONDS = 3
STALE_SECONDS = 2 * (INTERVAL_SECONDS + PROBE_SECONDS)
ACTIVE_USERS_SECONDS = 30
_SCHEMA = "SELECT coalesce(max(version), 0), coalesce(max(min_compatible), 0) FROM schema_migrations"
_ACTIVE_USERS = "SELECT count(*) FROM users WHERE last_seen_at > now() - interval '1 day'"


class DependencyError(Exception):
    """What is wrong with a dependency, in words that may be shown to anyone."""


@dataclass
class State:
    """What the last probe found, and when (monotonic seconds). A probe that hangs makes it stale."""

    error: str | None = "not probed yet"
    probed: float = 0
    latency_ms: float | None = None
    schema: int | None = None
    min_compatible_schema: int | None = None

    def problem(self) -> str | None:
        age = time.monotonic() - self.probed
        return self.error or (f"no answer for {age:.0f} s" if age > STALE_SECONDS else None)

    def shown(self) -> dict[str, Any]:
        problem = self.problem()
        entry = {"status": "down" if problem else "up", **asdict(self), "error": problem}
        return {key: value for key, value in entry.items() if value is not None and key != "probed"}


class Monitor:
    def __init__(self, settings: Settings, redis: Redis) -> None:
        self.settings = settings
        self.database = State()
        self.redis = State()
        self.stopping = False
        self.needs_schema = head()
        self._redis = redis
        self._next_count = 0.0
        self._connection: psycopg.AsyncConnection | None = None

    async def run(self) -> None:
        try:
            while True:
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._watch("database", self.database, self._probe_database))
                    group.create_task(self._watch("redis", self.redis, self._probe_redis))
                await asyncio.sleep(INTERVAL_SECONDS)
        finally:
            await self._disconnect()

    def not_ready(self) -> list[str]:
        """Why no traffic should come here; empty when ready."""
        states = {"database": self.database, "redis": self.redis}
        reasons = [f"{name}: {problem}" for name, state in states.items() if (problem := state.problem())]
        if self.settings.faults.never_ready:
            reasons.append("FAULT_NEVER_READY is set")
        if self.stopping:
            reasons.append("shutting down")
        return reasons

    def report(self) -> dict[str, Any]:
        healthy = not (self.database.problem() or self.redis.problem())
        return {
            "status": "ok" if healthy else "unavailable",
            "version": VERSION,
            "database": {**self.database.shown(), "needs_schema": self.needs_schema},
            "redis": self.redis.shown(),
        }

    async def _watch(self, name: str, state: State, probe: Callable[[State], Awaitable[None]]) -> None:
        before, started = state.error, time.perf_counter()
        try:
            async with asyncio.timeout(PROBE_SECONDS):
                await probe(state)
            state.error = None
            state.latency_ms = round((time.perf_counter() - started) * 1000, 1)
        except (DependencyError, TimeoutError, psycopg.Error, RedisError, OSError) as error:
            state.error, state.latency_ms = _public(error), None
            if before != state.error:
                log.warning("%s is down", name, extra={"reason": str(error)})
        if before and not state.error:
            log.info("%s is up", name)
        state.probed = time.monotonic()
        metrics.dependency_up.labels(name).set(not state.error)

    async def _probe_database(self, state: State) -> None:
        try:
            connection = self._connection = self._connection or await self._connect()
            row = await (await connection.execute(_SCHEMA)).fetchone()
        except psycopg.errors.UndefinedTable:
            row = (0, 0)
        except BaseException:
            await self._disconnect()
            raise
        assert row is not None
        state.schema, state.min_compatible_schema = row
        metrics.schema_version.set(row[0])
        if row[0] < self.needs_schema:
            raise DependencyError(f"schema {row[0]} is older than {self.needs_schema}, which this version needs")
        await self._count_active_users(connection)

    async def _count_active_users(self, connection: psycopg.AsyncConnection) -> None:
        if time.monotonic() < self._next_count:
            return
        self._next_count = time.monotonic() + ACTIVE_USERS_SECONDS
        row = await (await connection.execute(_ACTIVE_USERS)).fetchone()
        metrics.active_users.set(row[0] if row else 0)

    async def _probe_redis(self, state: State) -> None:
        metrics.jobs_queued.set(await self._redis.xlen(STREAM))

    async def _connect(self) -> psycopg.AsyncConnection:
        parameters = self.settings.database.connection("hustlex-health")
        return await psycopg.AsyncConnection.connect(**parameters, autocommit=True)

    async def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection:
            await connection.close()


def _public(error: Exception) -> str:
    match error:
        case DependencyError():
            return str(error)
        case TimeoutError():
            return f"no answer within {PROBE_SECONDS} s"
        case AuthenticationError():
            return "login refused"
        case psycopg.OperationalError() if "authentication failed" in str(error):
            return "login refused"
        case psycopg.OperationalError() | OSError() | RedisError():
            return "unreachable"
        case _:
            return type(error).__name__
