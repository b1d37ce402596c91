import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from application import Application
from servers import PgBouncer, Postgres, Redis


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    folder = tmp_path_factory.mktemp("postgres")
    # pytest keeps its folders private, PostgreSQL runs as another user.
    for parent in (folder, *folder.parents[:3]):
        parent.chmod(0o755) if parent != Path("/tmp") else None
    server = Postgres(folder)
    yield server
    server.stop()


@pytest.fixture(scope="session")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    server = Redis(tmp_path_factory.mktemp("redis"))
    yield server
    server.stop()


@pytest.fixture(scope="session")
def pgbouncer(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PgBouncer]:
    server = PgBouncer(tmp_path_factory.mktemp("pgbouncer"), postgres)
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
