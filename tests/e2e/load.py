"""A load of constant rate on the application's API, for tests."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import json
import random
import threading
import time
import uuid
from datetime import UTC, datetime
from decimal import Decimal
from typing import Self
from urllib.parse import urlsplit

from .results import Accepted, Results, Sample
from .wire import BrokenAnswerError, Client

GIGS = "/api/v1/gigs"
TRANSACTIONS = "/api/v1/transactions"


class Load:
    """Sends `rate` requests per second while its block runs, whether the earlier ones are answered or not.

    `posts` is the share of requests that create a transaction, the others get `path`; `kept` is the share that goes over
    kept connections, all others open their own. It ends by itself after `max_seconds`, and says so, so that no test takes silence for success.
    """

    def __init__(
        self,
        url: str,
        rate: float = 100,
        *,
        posts: float = 0.1,
        kept: float = 0,
        path: str = GIGS,
        max_seconds: float = 180,
        timeout: float = 5,
        users: int = 5,
    ) -> None:
        self._address = _loopback(url)
        self._rate, self._posts, self._kept, self._path = rate, posts, kept, path
        self._max_seconds, self._timeout, self._users = max_seconds, timeout, users
        self._tokens: dict[int, str] = {}
        # Always the same mixture.
        self._random = random.Random(1)
        self._stop = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._in_thread, name="load", daemon=True)
        self.results = Results(datetime.now(UTC))

    def __enter__(self) -> Self:
        asyncio.run(self._register())
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_exception: object) -> None:
        self._stop.set()
        self._thread.join(self._timeout + 10)
        if self._thread.is_alive():
            self._error = TimeoutError("the load does not end")
        if kind is None and self._error:
            raise self._error

    async def _register(self) -> None:
        client = Client(*self._address)
        for _user in range(self._users if self._posts else 0):
            body = json.dumps({"phone": f"+load-{uuid.uuid4()}", "name": "Load"}).encode()
            answer = await asyncio.wait_for(client.send("POST", "/api/v1/registrations", {}, body), self._timeout)
            if answer.status != 201:
                raise RuntimeError(f"no user for the load: {answer.status} {answer.body.decode()}")
            made = json.loads(answer.body)
            self._tokens[made["id"]] = made["token"]
        self.results.users = list(self._tokens)

    def _in_thread(self) -> None:
        try:
            asyncio.run(self._run())
        except BaseException as error:  # noqa: BLE001 - raised again at the end of the block
            self._error = error
        self.results.cpu_seconds = time.thread_time()

    async def _run(self) -> None:
        client, now = Client(*self._address), asyncio.get_running_loop().time
        self.results.started, start = datetime.now(UTC), now()
        async with asyncio.TaskGroup() as group:
            for number in range(int(self._rate * self._max_seconds)):
                due = start + number / self._rate
                await asyncio.sleep(due - now())
                if self._stop.is_set():
                    break
                group.create_task(self._request(client, start, due))
            else:
                self._error = TimeoutError(f"the load ended after its {self._max_seconds:g} s, before its block did")
            self.results.seconds = now() - start
        client.close()

    async def _request(self, client: Client, start: float, due: float) -> None:
        keep, post = self._random.random() < self._kept, self._random.random() < self._posts
        status, error = 0, ""
        try:
            async with asyncio.timeout_at(due + self._timeout):
                status = await (self._transact(client, keep) if post else self._look(client, keep))
        except TimeoutError:
            error = f"no answer within {self._timeout:g} s"
        except (OSError, BrokenAnswerError) as reason:
            error = str(reason) or type(reason).__name__
        seconds = asyncio.get_running_loop().time() - due
        self.results.samples.append(Sample(due - start, "POST" if post else "GET", seconds, status, error))

    async def _look(self, client: Client, keep: bool) -> int:
        return (await client.send("GET", self._path, {}, keep=keep)).status

    async def _transact(self, client: Client, keep: bool) -> int:
        user = self._random.choice(self.results.users)
        amount = Decimal(self._random.randint(1, 100_000)) / 100
        headers = {"Authorization": f"Bearer {self._tokens[user]}", "Idempotency-Key": uuid.uuid4().hex}
        body = json.dumps({"kind": "credit", "amount_ngn": str(amount)}).encode()
        answer = await client.send("POST", TRANSACTIONS, headers, body, keep)
        if answer.status == 202:
            self.results.accepted[json.loads(answer.body)["id"]] = Accepted(user, amount)
        return answer.status


def _loopback(url: str) -> tuple[str, int]:
    """No name is looked up: it could become any address."""
    parts = urlsplit(url)
    with contextlib.suppress(ValueError):
        if ipaddress.ip_address(parts.hostname or "").is_loopback:
            return str(parts.hostname), parts.port or 80
    raise ValueError(f"a load goes to a loopback address only, not to {url}")
