"""Takes jobs from the queue and does each exactly once."""

import asyncio
import logging
import time
from collections.abc import Awaitable
from enum import StrEnum

import psycopg
from redis.exceptions import RedisError

from hustlex_api import metrics
from hustlex_api.effects import EFFECTS, Count
from hustlex_api.jobs import Connection, Entry
from hustlex_api.services import Services

log = logging.getLogger(__name__)
MAX_ATTEMPTS = 5
RETRY_SECONDS = 1
REQUEUE_INTERVAL_SECONDS = 5


class Result(StrEnum):
    DONE = "done"
    REPEATED = "repeated"
    FAILED = "failed"


class Worker:
    def __init__(self, services: Services) -> None:
        self.services = services
        self.queue = services.queue
        self.stopping = asyncio.Event()

    async def run(self) -> None:
        """Until `stopping` is set; then what was begun is finished, or given back when cancelled."""
        await self._try(self.queue.prepare())
        async with asyncio.TaskGroup() as group:
            group.create_task(self._requeue())
            for _task in range(self.services.settings.worker_concurrency):
                group.create_task(self._work())
        await self._try(self.queue.leave())

    async def _work(self) -> None:
        while not self.stopping.is_set():
            try:
                if entry := await self.queue.take():
                    await self._handle(entry)
            except (RedisError, psycopg.Error) as error:
                log.warning("no work possible, trying again", extra={"reason": str(error)})
                await self._pause()
                if "NOGROUP" in str(error):  # Redis lost its data; PostgreSQL still has the jobs.
                    await self._try(self.queue.prepare())

    async def _handle(self, entry: Entry) -> None:
        if self.stopping.is_set():
            await self.queue.give_back(entry)
            return
        try:
            finished = await self._process(entry.job)
        except (psycopg.Error, asyncio.CancelledError):
            await self._try(self.queue.give_back(entry))
            raise
        if finished:
            await self.queue.acknowledge(entry)

    async def _process(self, job: int) -> bool:
        """False when another worker is doing this job right now."""
        started, kind = time.perf_counter(), "unknown"
        count: Count | None = None
        try:
            async with self.services.pool.connection() as connection:
                status, kind, subject = await _lock(connection, job)
                if status is None:
                    return False
                result = Result.REPEATED
                if status == "queued":
                    count = await EFFECTS[kind](connection, subject)
                    await asyncio.sleep(self.services.settings.faults.job_seconds)
                    await _finish(connection, job)
                    result = Result.DONE
        except psycopg.OperationalError:
            raise
        except Exception as error:
            log.exception("job failed", extra={"job": job, "kind": kind})
            await self._note_failure(job, error)
            result = Result.FAILED
        if count:
            count()
        seconds = time.perf_counter() - started
        metrics.jobs.labels(kind, result).inc()
        metrics.job_duration.labels(kind).observe(seconds)
        log.info("job", extra={"job": job, "kind": kind, "result": result, "seconds": round(seconds, 4)})
        return True

    async def _note_failure(self, job: int, error: Exception) -> None:
        """Later attempts come from requeue_due, each after twice the time; the last one leaves the job failed."""
        async with self.services.pool.connection() as connection:
            await connection.execute(
                "UPDATE jobs SET attempts = attempts + 1, last_error = %s,"
                " requeue_at = now() + make_interval(secs => %s * 2 ^ attempts),"
                " status = CASE WHEN attempts + 1 >= %s THEN 'failed' ELSE status END WHERE id = %s",
                [repr(error), self.services.settings.job_requeue_seconds, MAX_ATTEMPTS, job],
            )

    async def _requeue(self) -> None:
        while not self.stopping.is_set():
            try:
                if count := await self.queue.requeue_due(self.services.pool):
                    log.info("overdue jobs were queued again", extra={"count": count})
            except (RedisError, psycopg.Error) as error:
                log.warning("overdue jobs cannot be queued now", extra={"reason": str(error)})
            await self._pause(REQUEUE_INTERVAL_SECONDS)

    async def _try(self, action: Awaitable[None]) -> None:
        """For steps that others make good: a claim, a later start."""
        try:
            await action
        except RedisError as error:
            log.warning("redis did not answer", extra={"reason": str(error)})

    async def _pause(self, seconds: float = RETRY_SECONDS) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self.stopping.wait()
        except TimeoutError:
            pass


async def _lock(connection: Connection, job: int) -> tuple[str | None, str, int]:
    """Status, kind and subject of the job; status None while another worker holds it, 'gone' when there is none."""
    query = "SELECT status, kind, subject_id FROM jobs WHERE id = %s"
    row = await (await connection.execute(query + " FOR UPDATE SKIP LOCKED", [job])).fetchone()
    if row is None:
        row = await (await connection.execute(query, [job])).fetchone()
        return (None, row["kind"], row["subject_id"]) if row else ("gone", "unknown", 0)
    return row["status"], row["kind"], row["subject_id"]


async def _finish(connection: Connection, job: int) -> None:
    await connection.execute("UPDATE jobs SET status = 'done', finished_at = now() WHERE id = %s", [job])
