"""The supervisor of one cluster: a daemon that outlives every shell and runs the nodes and the proxy."""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import sys
import time
import xmlrpc.client
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .config import Paths
from .run import Failure

# The kernel's limit of a Unix socket path is 108 bytes; supervisor adds its process number while it binds.
LONGEST_SOCKET_PATH = 96


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class _Transport(xmlrpc.client.Transport):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__()
        self._path, self._timeout = path, timeout

    def make_connection(self, host: Any) -> http.client.HTTPConnection:
        return _Connection(self._path, self._timeout)


@dataclass(frozen=True)
class Program:
    name: str
    state: str
    pid: int
    log: str


class Supervisor:
    """A supervisord that is reached by its Unix socket, the cluster's own or that of a node."""

    def __init__(self, path: Path, timeout: float = 60) -> None:
        self._path = path
        proxy = xmlrpc.client.ServerProxy("http://localhost", transport=_Transport(str(path), timeout))
        self._rpc = proxy.supervisor

    def programs(self) -> dict[str, Program]:
        """All programs by name; empty when nothing answers at the socket."""
        try:
            found: Any = self._rpc.getAllProcessInfo()
        except (OSError, http.client.HTTPException, xmlrpc.client.Error):
            return {}
        return {
            entry["name"]: Program(entry["name"], entry["statename"], entry["pid"], entry["stdout_logfile"])
            for entry in found
        }

    def start(self, name: str) -> None:
        """Ask for the start and return; the program's state tells what comes of it."""
        try:
            self._rpc.startProcess(name, False)
        except xmlrpc.client.Fault as fault:
            if "ALREADY_STARTED" in fault.faultString:
                return
            log = self.programs()[name].log
            raise Failure(f"{name} did not start ({fault.faultString}); {last_lines(Path(log))}") from fault

    def stop(self, name: str, wait: bool = True) -> None:
        try:
            self._rpc.stopProcess(name, wait)
        except xmlrpc.client.Fault as fault:
            if "NOT_RUNNING" not in fault.faultString:
                raise Failure(f"{name} did not stop ({fault.faultString})") from fault

    def stop_all(self) -> None:
        for name in self.programs():
            self.stop(name, wait=False)

    def is_busy(self) -> bool:
        """Whether any program runs or is just ending."""
        return any(item.state in ("RUNNING", "STARTING", "STOPPING") for item in self.programs().values())

    def kill(self, name: str) -> None:
        try:
            self._rpc.signalProcess(name, "KILL")
        except xmlrpc.client.Fault as fault:
            if "NOT_RUNNING" not in fault.faultString:
                raise Failure(f"{name} was not killed ({fault.faultString})") from fault

    def restart(self, name: str) -> None:
        self.stop(name)
        self.start(name)

    def shutdown(self) -> None:
        try:
            self._rpc.shutdown()
        except (OSError, http.client.HTTPException, xmlrpc.client.Error):
            return


def top(paths: Paths) -> Supervisor:
    return Supervisor(paths.supervisor_socket)


def launch(paths: Paths, procs_files: list[Path], seconds: float = 20) -> Supervisor:
    """Start the cluster's own supervisord, detached from this shell and in its own control group."""
    if len(str(paths.supervisor_socket)) > LONGEST_SOCKET_PATH:
        raise Failure(
            f"The state folder {paths.state} has too long a name for a socket in it "
            f"({len(str(paths.supervisor_socket))} characters, at most {LONGEST_SOCKET_PATH}); set HUSTLEX_STATE "
            "to a shorter one."
        )
    for stale in (paths.supervisor_socket, paths.supervisor_pid):
        stale.unlink(missing_ok=True)

    def enter_group() -> None:
        for file in procs_files:
            file.write_text("0")

    done = subprocess.run(
        [sys.executable, "-m", "supervisor.supervisord", "-c", str(paths.supervisor_config)],
        check=False,
        capture_output=True,
        text=True,
        timeout=seconds,
        cwd="/",
        env={"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/"},
        preexec_fn=enter_group,
        start_new_session=True,
    )
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise Failure(f"supervisord did not start: {said[-1] if said else f'exit code {done.returncode}'}")
    supervisor = top(paths)
    end = time.monotonic() + seconds
    while not supervisor.programs():
        if time.monotonic() > end:
            raise Failure(
                f"supervisord did not answer within {seconds:.0f} s; {last_lines(paths.logs / 'supervisord.log')}"
            )
        time.sleep(0.05)
    return supervisor


def is_running(number: int) -> bool:
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def last_lines(log: Path, count: int = 3) -> str:
    """The end of a log file as part of a sentence that names the file."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 8192))
            lines = file.read().decode(errors="replace").split("\n")
    except OSError:
        return f"there is no log at {log}"
    said = [line.strip()[:300] for line in lines if line.strip()][-count:]
    return f"its log {log} ends with: {' | '.join(said) or 'nothing'}"
