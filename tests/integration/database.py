"""Pods of role postgres without Kubernetes: its scripts, configuration and secrets in folders, one real server each."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible_collections.hustlex.platform.plugins.plugin_utils.templates import render
from servers import _postgres_user, free_port, program, wait_for

ROLE = Path(__file__).parents[2] / "roles" / "postgres"
SECRETS = ("OWNER", "REPLICATOR", "MONITOR", "BACKUP", "RESTORE", "PGBOUNCER", "DB")
SMALL = {"fsync": "off", "shared_buffers": "16MB", "max_wal_size": "64MB", "min_wal_size": "32MB"}


def configuration(settings: dict[str, Any], tls: bool = False) -> dict[str, str]:
    """The data of ConfigMap postgres-config, as the role renders it."""
    loader = DataLoader()
    variables = {}
    for part in ("defaults", "vars"):
        variables.update(loader.load_from_file(str(ROLE / part / "main.yml"), trusted_as_template=True))
    variables.update(postgres_settings=settings, postgres_max_connections=40, postgres_tls_secret="tls" if tls else "")
    templar = Templar(loader=loader, variables=variables)
    template = ROLE / "templates" / "config.yaml.j2"
    ((_path, text),) = render(templar, [template], [str(ROLE)], variables)
    data: dict[str, str] = yaml.safe_load(text)["data"]
    return data


@dataclass
class Cluster:
    """What all pods share: the recorded primary, the number of replicas, the Secrets, and the addresses."""

    folder: Path
    shell: list[str] = field(default_factory=lambda: ["sh"])
    tools: str = "/usr/bin:/bin"
    user: str | None = field(default_factory=_postgres_user)
    # Folder with tls.crt and tls.key, as the Secret is mounted.
    tls: Path | None = None
    pods: dict[str, "Pod"] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.folder.mkdir(exist_ok=True)
        shutil.copytree(ROLE / "files", self.folder / "scripts")
        for name in ("cluster", "credentials"):
            (self.folder / name).mkdir()
        for secret in SECRETS:
            self.set_password(secret, f"{secret.lower()}-pass:word\\1")
        self.record("postgres-0")
        for name in ("postgres-0", "postgres-replica-0"):
            self.add(name)
        self.members(*self.pods)

    def add(self, name: str) -> "Pod":
        self.pods[name] = Pod(name, self)
        return self.pods[name]

    def set_password(self, secret: str, password: str) -> None:
        (self.folder / "credentials" / f"{secret}_PASSWORD").write_text(password)

    def password(self, secret: str) -> str:
        return (self.folder / "credentials" / f"{secret}_PASSWORD").read_text()

    def record(self, primary: str) -> None:
        (self.folder / "cluster" / "primary").write_text(primary)

    def members(self, *names: str) -> None:
        lines = [f"{name} 127.0.0.1 {self.pods[name].port}\n" for name in names]
        (self.folder / "cluster" / "members").write_text("".join(lines))

    def close(self) -> None:
        for pod in self.pods.values():
            pod.kill()


class Pod:
    def __init__(self, name: str, cluster: Cluster) -> None:
        self.name, self.cluster = name, cluster
        self.port = free_port()
        self.folder = cluster.folder / name
        self.volume, self.run_dir, self.config = (self.folder / part for part in ("data", "run", "config"))
        self.data = self.volume / "pgdata"
        self.log = self.folder / "log"
        for path in (self.volume, self.run_dir, self.config):
            path.mkdir(parents=True)
            if cluster.user:
                shutil.chown(path, cluster.user)
        self.configure()
        self.process: subprocess.Popen[bytes] | None = None

    def configure(self, **settings: Any) -> None:
        # Transactions are the tests' own: some count them.
        local = {"listen_addresses": "127.0.0.1", "port": self.port, "autovacuum": "off"}
        data = configuration({**SMALL, **local, **settings}, tls=self.cluster.tls is not None)
        if self.cluster.user != "postgres":
            data["pg_hba.conf"] = data["pg_hba.conf"].replace("peer", "trust")
        for file, text in data.items():
            text = text.replace("/var/run/postgresql", str(self.run_dir))
            (self.config / file).write_text(text.replace("/etc/postgres/tls", str(self.cluster.tls)))

    @property
    def environ(self) -> dict[str, str]:
        postgres, inherited = program("postgres", "postgresql")
        return {
            **{key: value for key, value in inherited.items() if key == "LD_LIBRARY_PATH"},
            "PATH": f"{self.cluster.tools}:{Path(postgres).resolve().parent}:/usr/sbin",
            "POD_NAME": self.name,
            "PGDATA": str(self.data),
            "PGPORT": str(self.port),
            "PGHOST": str(self.run_dir),
            "PGUSER": "postgres",
            "PGDATABASE": "hustlex",
            "RUN_DIR": str(self.run_dir),
            "CLUSTER_DIR": str(self.cluster.folder / "cluster"),
            "CONFIG_DIR": str(self.config),
            "CREDENTIALS_DIR": str(self.cluster.folder / "credentials"),
        }

    def command(self, script: str, *arguments: str) -> list[str]:
        return [*self.cluster.shell, str(self.cluster.folder / "scripts" / script), *arguments]

    def _as_user(self) -> dict[str, Any]:
        user = self.cluster.user
        return {"env": self.environ, "user": user, "group": user, "extra_groups": [], "cwd": "/"}

    def script(self, name: str, *arguments: str, seconds: float = 60) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(name, *arguments),
            capture_output=True, text=True, timeout=seconds, check=False, **self._as_user(),
        )  # fmt: skip

    def launch(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command("start.sh"), stdout=log, stderr=log, start_new_session=True, **self._as_user()
            )

    def start(self) -> "Pod":
        """As the pod does: the server, one round of the keeper, then ready."""
        self.launch()
        return self.wait_ready()

    def wait_ready(self, seconds: float = 40) -> "Pod":
        def ready() -> bool:
            assert self.process
            assert self.process.poll() is None, self.logged()
            self.script("keeper.sh", "once")
            return self.script("ready.sh").returncode == 0

        wait_for(ready, seconds, f"{self.name} is ready; {self.logged()[-2000:]}")
        return self

    def exit_code(self, seconds: float = 90) -> int:
        assert self.process
        return self.process.wait(seconds)

    def stop(self) -> None:
        self.script("stop.sh")
        assert self.exit_code() == 0

    def kill(self) -> None:
        """As a lost node: every process of the pod is gone at once."""
        if self.process and self.process.poll() is None:
            children = self._children()
            os.killpg(self.process.pid, signal.SIGKILL)
            for pid in children:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self.process.wait(10)

    def _children(self) -> list[int]:
        """PostgreSQL's children leave the process group of their parent."""
        assert self.process
        found = subprocess.run(
            ["ps", "-o", "pid=", "--ppid", str(self.process.pid)], capture_output=True, text=True, check=False
        )
        return [int(pid) for pid in found.stdout.split()]

    def logged(self) -> str:
        return self.log.read_text() if self.log.exists() else ""

    def sql(self, statement: str, database: str = "hustlex") -> str:
        done = subprocess.run(
            ["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", database, "-c", statement],
            capture_output=True, text=True, timeout=60, check=False, **self._as_user(),
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def login(
        self, user: str, password: str, statement: str = "SELECT 1", database: str = "hustlex", sslmode: str = "prefer"
    ) -> str:
        """Over the network, as `user`; the answer, or psql's error."""
        options = self._as_user()
        options["env"] = {**options["env"], "PGPASSWORD": password, "PGHOST": "127.0.0.1", "PGSSLMODE": sslmode}
        done = subprocess.run(
            ["psql", "-XAtqw", "-v", "ON_ERROR_STOP=1", "-U", user, "-d", database, "-c", statement],
            capture_output=True, text=True, timeout=60, check=False, **options,
        )  # fmt: skip
        return done.stdout.strip() if done.returncode == 0 else done.stderr.strip()


@contextmanager
def cluster(folder: Path, **options: Any) -> Iterator[Cluster]:
    pods = Cluster(folder, **options)
    try:
        yield pods
    finally:
        pods.close()
