import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parent))

from application import Application
from servers import PgBouncer, Postgres, Redis
from stores import SERVERS, Store


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


@pytest.fixture(scope="session")
def store_of(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Store]]:
    """Starts an S3 server by its name when the first test asks for it."""
    started: dict[str, Store] = {}

    def found(name: str) -> Store:
        if name not in started:
            started[name] = SERVERS[name](tmp_path_factory.mktemp(name))
        return started[name]

    yield found
    for server in started.values():
        server.stop()


@pytest.fixture(params=list(SERVERS))
def store(request: pytest.FixtureRequest, store_of: Callable[[str], Store]) -> Store:
    return store_of(request.param)


@pytest.fixture
def versitygw(store_of: Callable[[str], Store]) -> Store:
    return store_of("versitygw")


@pytest.fixture
def seaweedfs(store_of: Callable[[str], Store]) -> Store:
    return store_of("seaweedfs")


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
