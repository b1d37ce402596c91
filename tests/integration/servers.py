"""Real PostgreSQL, Redis and PgBouncer on loopback for one test session; nothing is installed on the machine."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

HERE = Path(__file__).parent
# Not in the home folder: PostgreSQL runs as another user, who cannot look into root's.
UNPACKED = Path(tempfile.gettempdir())
OWNER_PASSWORD = "owner-password-of-the-tests"
PASSWORD = "application-password-of-the-tests"
REDIS_PASSWORD = "redis-password-of-the-tests"


def wait_for(condition: Callable[[], Any], seconds: float = 20, what: str = "") -> Any:
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not within {seconds} s: {what or condition}"
        time.sleep(0.05)
    return found


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def answers(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def program(name: str, *packages: str) -> tuple[str, dict[str, str]]:
    """Path and environment of a server: the machine's own, or one unpacked from Debian's packages."""
    installed = shutil.which(name) or next((str(p) for p in Path("/usr/lib/postgresql").glob(f"*/bin/{name}")), None)
    if installed:
        return installed, dict(os.environ)
    root = UNPACKED / f"hustlex-test-{'-'.join(packages)}"
    subprocess.run([HERE / "unpack-debian", root, *packages], check=True, timeout=300)
    libraries = ":".join(str(path) for path in root.glob("usr/lib/*-linux-gnu"))
    found = next(path for path in root.glob(f"usr/**/{name}") if os.access(path, os.X_OK) and path.is_file())
    return str(found), {**os.environ, "LD_LIBRARY_PATH": libraries}


@dataclass
class Process:
    """A server that is started again on the same port with the same data."""

    command: list[str]
    environ: dict[str, str]
    port: int
    log: Path
    user: str | None = None
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command, env=self.environ, stdout=log, stderr=log, user=self.user, group=self.user
            )
        wait_for(self.ready, what=f"{self.command[0]} is ready")

    def ready(self) -> bool:
        return answers(self.port)

    def stop(self, number: int = signal.SIGTERM) -> int:
        if not self.process:
            return 0
        self.process.send_signal(number)
        code = self.process.wait(30)
        self.process = None
        return code


def _postgres_user() -> str | None:
    """PostgreSQL refuses to run as root."""
    if os.getuid() != 0:
        return None
    try:
        return pwd.getpwnam("postgres").pw_name
    except KeyError:
        return "nobody"


class Postgres(Process):
    def __init__(self, folder: Path) -> None:
        initdb, environ = program("initdb", "postgresql")
        postgres, _version = program("postgres", "postgresql")
        user, data, port = _postgres_user(), folder / "data", free_port()
        data.mkdir(mode=0o700)
        if user:
            shutil.chown(folder, user)
            shutil.chown(data, user)
        secret = folder / "superuser"
        secret.write_text("postgres\n")
        secret.chmod(0o644)
        subprocess.run(
            [initdb, "-D", data, "-U", "postgres", "-A", "scram-sha-256", f"--pwfile={secret}", "-N", "-E", "UTF8"],
            check=True,
            stdout=subprocess.DEVNULL,
            env=environ,
            user=user,
            timeout=120,
        )
        options = {"port": port, "listen_addresses": "127.0.0.1", "unix_socket_directories": "", "fsync": "off"}
        arguments = [argument for key, value in options.items() for argument in ("-c", f"{key}={value}")]
        super().__init__([postgres, "-D", str(data), *arguments], environ, port, folder / "log", user)
        self.start()

    def stop(self, number: int = signal.SIGINT) -> int:
        return super().stop(number)

    def ready(self) -> bool:
        """It listens before its recovery is over, and refuses everybody until then."""
        try:
            self.connect().close()
        except psycopg.OperationalError:
            return False
        return True

    def connect(self, user: str = "postgres", password: str = "postgres", database: str = "postgres") -> Any:
        return psycopg.connect(
            host="127.0.0.1", port=self.port, user=user, password=password, dbname=database, autocommit=True
        )

    def make_database(self, name: str) -> None:
        """As role postgres makes it: an owner for migrations, an application that reads and writes rows."""
        with self.connect() as connection:
            if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = 'hustlex'").fetchone():
                connection.execute(f"CREATE ROLE hustlex_owner LOGIN PASSWORD '{OWNER_PASSWORD}'")
                connection.execute(f"CREATE ROLE hustlex LOGIN PASSWORD '{PASSWORD}'")
            connection.execute(f"CREATE DATABASE {name} OWNER hustlex_owner")
        with self.connect(database=name) as connection:
            connection.execute("ALTER SCHEMA public OWNER TO hustlex_owner")
            connection.execute("GRANT USAGE ON SCHEMA public TO hustlex")
            default = "ALTER DEFAULT PRIVILEGES FOR ROLE hustlex_owner IN SCHEMA public GRANT"
            connection.execute(f"{default} SELECT, INSERT, UPDATE, DELETE ON TABLES TO hustlex")
            connection.execute(f"{default} USAGE ON SEQUENCES TO hustlex")


class Redis(Process):
    def __init__(self, folder: Path) -> None:
        server, environ = program("redis-server", "redis-server")
        port = free_port()
        arguments = ["--port", port, "--bind", "127.0.0.1", "--dir", folder, "--requirepass", REDIS_PASSWORD]
        arguments += ["--appendonly", "yes", "--save", ""]
        super().__init__([server, *map(str, arguments)], environ, port, folder / "log")
        self.start()


class PgBouncer(Process):
    def __init__(self, folder: Path, postgres: Postgres) -> None:
        pgbouncer, environ = program("pgbouncer", "pgbouncer")
        port = free_port()
        users = folder / "users.txt"
        users.write_text(f'"hustlex" "{PASSWORD}"\n"hustlex_owner" "{OWNER_PASSWORD}"\n')
        configuration = folder / "pgbouncer.ini"
        configuration.write_text(
            f"""[databases]
* = host=127.0.0.1 port={postgres.port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {users}
pool_mode = transaction
default_pool_size = 4
"""
        )
        user = _postgres_user()
        for path in (folder, users, configuration):
            if user:
                shutil.chown(path, user)
        as_user = ["-u", user] if user else []
        super().__init__([pgbouncer, *as_user, str(configuration)], environ, port, folder / "log")
        self.start()
