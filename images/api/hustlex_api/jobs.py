"""The job queue: a row in PostgreSQL is the job, a Redis stream with a consumer group carries its number to a worker.

Nothing is lost: an entry stays pending until acknowledged and is claimed from a worker that died; a job whose entry
never reached Redis, or was lost with it, is put there again by `requeue_due`. Nothing is done twice: the effect and
the job's status change in one transaction, and an entry that comes again finds the job done.
"""

import logging
import time
from dataclasses import dataclass
from typing import Any

from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool
from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

log = logging.getLogger(__name__)
Connection = AsyncConnection[dict[str, Any]]
Pool = AsyncConnectionPool[Connection]

STREAM = "hustlex:jobs"
GROUP = "workers"
BLOCK_SECONDS = 1.0
BATCH = 100
FORGET_CONSUMER_SECONDS = 3600


@dataclass(frozen=True)
class Entry:
    id: str
    job: int


async def accept(connection: Connection, kind: str, subject: int, requeue_seconds: float) -> int:
    """Write the job in the transaction that asks for it; announce() it after the commit."""
    row = await (
        await connection.execute(
            "INSERT INTO jobs (kind, subject_id, requeue_at) VALUES (%s, %s, now() + make_interval(secs => %s))"
            " RETURNING id",
            [kind, subject, requeue_seconds],
        )
    ).fetchone()
    assert row is not None
    return int(row["id"])


class Queue:
    def __init__(self, redis: Redis, consumer: str, claim_seconds: float, requeue_seconds: float) -> None:
        self.redis = redis
        self.consumer = consumer
        self.claim_seconds = claim_seconds
        self.requeue_seconds = requeue_seconds
        self._next_claim = 0.0

    async def announce(self, job: int) -> None:
        """Never fails: a job that is not announced is announced later by a worker."""
        try:
            await self.redis.xadd(STREAM, {"job": job})
        except RedisError as error:
            log.warning("a job was not announced, a worker will find it", extra={"job": job, "reason": str(error)})

    async def prepare(self) -> None:
        try:
            await self.redis.xgroup_create(STREAM, GROUP, id="0", mkstream=True)
        except ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise

    async def take(self) -> Entry | None:
        """The next entry, one of a dead worker first; None after a second without any."""
        if time.monotonic() >= self._next_claim:
            _next, entries, *_deleted = await self.redis.xautoclaim(
                STREAM, GROUP, self.consumer, min_idle_time=int(self.claim_seconds * 1000), count=1
            )
            if entries:
                return _entry(entries[0])
            self._next_claim = time.monotonic() + self.claim_seconds / 4
        answer: Any = await self.redis.xreadgroup(
            GROUP, self.consumer, {STREAM: ">"}, count=1, block=int(BLOCK_SECONDS * 1000)
        )
        return _entry(answer[0][1][0]) if answer else None

    async def acknowledge(self, entry: Entry) -> None:
        async with self.redis.pipeline(transaction=True) as pipeline:
            pipeline.xack(STREAM, GROUP, entry.id)
            pipeline.xdel(STREAM, entry.id)
            await pipeline.execute()

    async def give_back(self, entry: Entry) -> None:
        """Another worker gets it at once instead of after the claim time."""
        async with self.redis.pipeline(transaction=True) as pipeline:
            pipeline.xadd(STREAM, {"job": entry.job})
            pipeline.xack(STREAM, GROUP, entry.id)
            pipeline.xdel(STREAM, entry.id)
            await pipeline.execute()

    async def requeue_due(self, pool: Pool) -> int:
        """Announce jobs that are overdue. A long queue is left alone: there they wait, they are not lost."""
        if await self.redis.xlen(STREAM) >= BATCH:
            return 0
        async with pool.connection() as connection:
            rows = await (
                await connection.execute(
                    "UPDATE jobs SET requeue_at = now() + make_interval(secs => %s) WHERE id IN ("
                    "SELECT id FROM jobs WHERE status = 'queued' AND requeue_at < now()"
                    " ORDER BY requeue_at LIMIT %s FOR UPDATE SKIP LOCKED) RETURNING id",
                    [self.requeue_seconds, BATCH],
                )
            ).fetchall()
        for row in rows:
            await self.announce(row["id"])
        return len(rows)

    async def leave(self) -> None:
        """Take this consumer, and those long dead, out of the group unless entries are pending for them."""
        for consumer in await self.redis.xinfo_consumers(STREAM, GROUP):
            idle = consumer["name"] == self.consumer or consumer["idle"] > FORGET_CONSUMER_SECONDS * 1000
            if idle and not consumer["pending"]:
                await self.redis.xgroup_delconsumer(STREAM, GROUP, consumer["name"])


def _entry(raw: Any) -> Entry:
    return Entry(id=raw[0], job=int(raw[1]["job"]))
