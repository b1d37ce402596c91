"""Runs the reference application as a person or Kubernetes would: its command, environment, signals, HTTP."""

import http.client
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from servers import OWNER_PASSWORD, PASSWORD, REDIS_PASSWORD, Postgres, Redis, free_port, wait_for

API = Path(__file__).parents[2] / "images/api"
SECRETS = {
    "JWT_SECRET": "jwt-secret-of-the-tests-that-is-long-enough",
    "PAYSTACK_SECRET_KEY": "paystack-key-of-the-tests",
    "TERMII_API_KEY": "termii-key-of-the-tests",
    "DB_PASSWORD": PASSWORD,
    "REDIS_PASSWORD": REDIS_PASSWORD,
}


@dataclass
class Answer:
    status: int
    body: Any
    headers: dict[str, str]


def request(
    port: int, method: str, path: str, body: Any = None, token: str = "", headers: dict[str, str] | None = None
) -> Answer:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=15)
    try:
        given = {"authorization": f"Bearer {token}"} if token else {}
        connection.request(method, path, json.dumps(body) if body is not None else None, given | (headers or {}))
        return read(connection)
    finally:
        connection.close()


def read(connection: http.client.HTTPConnection) -> Answer:
    answer = connection.getresponse()
    raw = answer.read().decode()
    headers = {name.lower(): value for name, value in answer.getheaders()}
    is_json = headers.get("content-type", "") == "application/json"
    return Answer(answer.status, json.loads(raw) if is_json else raw, headers)


@dataclass
class Running:
    process: subprocess.Popen[bytes]
    port: int
    log: Path

    def request(self, method: str, path: str, body: Any = None, token: str = "") -> Answer:
        return request(self.port, method, path, body, token)

    def alive(self) -> bool:
        try:
            return request(self.port, "GET", "/livez").status == 200
        except OSError:
            assert self.process.poll() is None, self.log.read_text()
            return False

    def ready(self) -> bool:
        return request(self.port, "GET", "/readyz").status == 200

    def metric(self, name: str) -> float:
        """The value of a sample as it is written, labels and all."""
        lines = str(request(self.port, "GET", "/metrics").body).splitlines()
        return sum(float(line.split()[-1]) for line in lines if line.split()[0] == name)

    def end(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(40)


@dataclass
class Application:
    """The application against one database of the test's PostgreSQL and its Redis."""

    postgres: Postgres
    redis: Redis
    database: str
    folder: Path
    extra: dict[str, str] = field(default_factory=dict)

    def environ(self, **changes: str) -> dict[str, str]:
        config = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(API),
            "ENV": "test",
            "LOG_LEVEL": "info",
            "DB_HOST": "127.0.0.1",
            "DB_PORT": str(self.postgres.port),
            "DB_NAME": self.database,
            "DB_USER": "hustlex",
            "REDIS_HOST": "127.0.0.1",
            "REDIS_PORT": str(self.redis.port),
            "DRAIN_SECONDS": "1",
            "JOB_CLAIM_SECONDS": "1",
            "JOB_REQUEUE_SECONDS": "3",
        }
        return {key: value for key, value in {**config, **SECRETS, **self.extra, **changes}.items() if value}

    def as_owner(self, **changes: str) -> dict[str, str]:
        return self.environ(DB_USER="hustlex_owner", DB_PASSWORD=OWNER_PASSWORD, **changes)

    def run(self, *arguments: str, environ: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "hustlex_api", *arguments]
        return subprocess.run(
            command, env=environ or self.environ(), capture_output=True, text=True, timeout=90, check=False
        )

    def migrate(self, *arguments: str, **changes: str) -> subprocess.CompletedProcess[str]:
        return self.run("migrate", *arguments, environ=self.as_owner(**changes))

    def sql(self, query: str) -> list[Any]:
        with self.postgres.connect(database=self.database) as connection:
            rows: list[Any] = connection.execute(query).fetchall()
            return rows

    @contextmanager
    def started(self, command: str = "serve", until: str = "ready", **changes: str) -> Iterator[Running]:
        port = free_port()
        log = self.folder / f"{command}-{port}.log"
        name = "PORT" if command == "serve" else "WORKER_PORT"
        environ = self.environ(**{name: str(port)}, **changes)
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "hustlex_api", command], env=environ, stdout=output, stderr=output
            )
        running = Running(process, port, log)
        try:
            wait_for(running.alive, what=f"{command} lives")
            if until == "ready":
                wait_for(running.ready, what=f"{command} is ready")
            yield running
        finally:
            if process.poll() is None:
                process.kill()
                process.wait(10)
