import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from application import Application
from servers import PgBouncer, Postgres, Redis


@pytest.fixture(scope="session")
def folder() -> Iterator[Path]:
    """Not pytest's own folder: that is private, and the servers run as another user."""
    with tempfile.TemporaryDirectory(prefix="hustlex-test-") as name:
        path = Path(name)
        path.chmod(0o755)
        for server in ("postgres", "redis", "pgbouncer"):
            (path / server).mkdir()
        yield path


@pytest.fixture(scope="session")
def postgres(folder: Path) -> Iterator[Postgres]:
    server = Postgres(folder / "postgres")
    yield server
    server.stop()


@pytest.fixture(scope="session")
def redis(folder: Path) -> Iterator[Redis]:
    server = Redis(folder / "redis")
    yield server
    server.stop()


@pytest.fixture(scope="session")
def pgbouncer(folder: Path, postgres: Postgres) -> Iterator[PgBouncer]:
    server = PgBouncer(folder / "pgbouncer", postgres)
    yield server
    server.stop()


@pytest.fixture
def empty(postgres: Postgres, redis: Redis, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Application]:
    """The application on a database without any table."""
    name = "test_" + "".join(letter if letter.isalnum() else "_" for letter in request.node.name.lower())[:50]
    postgres.make_database(name)
    yield Application(postgres, redis, name, tmp_path)
    with postgres.connect() as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def application(empty: Application) -> Application:
    """The application with its schema."""
    done = empty.migrate("up")
    assert done.returncode == 0, done.stderr
    return empty
