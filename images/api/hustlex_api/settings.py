"""Settings from the environment: read once, checked as a whole, secrets kept out of repr()."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hustlex_api.environment import Reader
from hustlex_api.faults import Faults

ENVIRONMENTS = ("development", "test", "staging", "production")
LOG_LEVELS = ("debug", "info", "warning", "error")


@dataclass(frozen=True)
class Database:
    host: str
    port: int
    name: str
    user: str
    password: str = field(repr=False)
    prepare_threshold: int | None

    def connection(self, application_name: str) -> dict[str, Any]:
        """Keyword arguments of psycopg.connect. A dead node is noticed within 15 s."""
        return {
            "host": self.host,
            "port": self.port,
            "dbname": self.name,
            "user": self.user,
            "password": self.password,
            "application_name": application_name,
            "prepare_threshold": self.prepare_threshold,
            "connect_timeout": 5,
            "keepalives_idle": 5,
            "keepalives_interval": 5,
            "keepalives_count": 2,
            "tcp_user_timeout": 15000,
        }


@dataclass(frozen=True)
class Redis:
    host: str
    port: int
    user: str | None
    password: str = field(repr=False)


@dataclass(frozen=True)
class Base:
    """What every command needs."""

    env: str
    log_level: str
    database: Database
    faults: Faults


@dataclass(frozen=True)
class Settings(Base):
    """What `serve` and `worker` need; durations are in seconds."""

    port: int
    worker_port: int
    redis: Redis
    jwt_secret: str = field(repr=False)
    paystack_secret_key: str = field(repr=False)
    termii_api_key: str = field(repr=False)
    token_seconds: int
    pool_size: int
    request_seconds: float
    drain_seconds: float
    worker_concurrency: int
    worker_grace_seconds: float
    job_claim_seconds: float
    job_requeue_seconds: float


def _base(reader: Reader) -> Base:
    env = reader.text("ENV", choices=ENVIRONMENTS)
    prepared = reader.whole("DB_PREPARE_THRESHOLD", 0, 0, 1000)
    return Base(
        env=env,
        log_level=reader.text("LOG_LEVEL", "info", LOG_LEVELS),
        database=Database(
            host=reader.text("DB_HOST"),
            port=reader.port("DB_PORT", 5432),
            name=reader.text("DB_NAME", "hustlex"),
            user=reader.text("DB_USER", "hustlex"),
            password=reader.text("DB_PASSWORD"),
            prepare_threshold=prepared or None,
        ),
        faults=Faults.from_environ(reader.environ, env, reader.problems),
    )


def read_base(environ: Mapping[str, str]) -> Base:
    reader = Reader(environ)
    base = _base(reader)
    reader.done()
    return base


def read_settings(environ: Mapping[str, str]) -> Settings:
    reader = Reader(environ)
    settings = Settings(
        **vars(_base(reader)),
        port=reader.port("PORT", 8080),
        worker_port=reader.port("WORKER_PORT", 8081),
        redis=Redis(
            host=reader.text("REDIS_HOST"),
            port=reader.port("REDIS_PORT", 6379),
            user=environ.get("REDIS_USER") or None,
            password=reader.text("REDIS_PASSWORD"),
        ),
        jwt_secret=reader.text("JWT_SECRET"),
        paystack_secret_key=reader.text("PAYSTACK_SECRET_KEY"),
        termii_api_key=reader.text("TERMII_API_KEY"),
        token_seconds=reader.whole("TOKEN_SECONDS", 3600, 60),
        pool_size=reader.whole("DB_POOL_SIZE", 10, 1, 100),
        request_seconds=reader.number("REQUEST_SECONDS", 10, 0.1),
        drain_seconds=reader.number("DRAIN_SECONDS", 5),
        worker_concurrency=reader.whole("WORKER_CONCURRENCY", 4, 1, 100),
        worker_grace_seconds=reader.number("WORKER_GRACE_SECONDS", 20),
        job_claim_seconds=reader.number("JOB_CLAIM_SECONDS", 30, 0.1),
        job_requeue_seconds=reader.number("JOB_REQUEUE_SECONDS", 60, 1),
    )
    reader.done()
    return settings
