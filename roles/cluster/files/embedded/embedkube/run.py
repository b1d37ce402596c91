"""Programs, locks, progress and errors: all that touches the machine in general and knows nothing of Kubernetes."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import shlex
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

REPORT_SECONDS = 15
DISK_FULL = ("no space left on device", "enough free space", "disk quota exceeded")
UNREACHABLE = (
    "connection refused",
    "could not connect",
    "could not resolve",
    "dial tcp",
    "name resolution",
    "network is unreachable",
    "newconnectionerror",
    "no such host",
    "proxyerror",
    "temporary failure resolving",
    "unable to connect",
)
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
CA_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)
CA_VARIABLES = ("PIP_CERT", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "CURL_CA_BUNDLE")
PROXY_VARIABLES = ("http_proxy", "https_proxy", "no_proxy", "all_proxy")


class Failure(Exception):  # noqa: N818 - reads as what the user is told
    """What went wrong and what to do, in one sentence for the user."""


class Stopped(Failure):
    """This part ended because another one failed or the user interrupted."""


@dataclass(frozen=True)
class Bind:
    """A file or folder of the machine seen inside a root file system."""

    source: Path
    target: str
    writable: bool = False


def duration(seconds: float) -> str:
    """A time span as people say it: 4.2 s, 3 min 05 s."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{int(seconds) // 60} min {int(seconds) % 60:02d} s"


class Step:
    """One step under way; set `detail` to what the next report shall add."""

    def __init__(self, number: int, total: int, text: str) -> None:
        self.head = f"[{number}/{total}] {text}"
        self.detail = ""
        self.started = time.monotonic()

    @property
    def elapsed(self) -> float:
        return time.monotonic() - self.started


class Progress:
    """Numbered steps on stdout: a line when one begins and ends, and one every 15 s in between."""

    def __init__(self, total: int, out: Callable[[str], None] | None = None) -> None:
        self.total = total
        self._begun = 0
        self._lock = threading.Lock()
        self._out = out or (lambda line: print(line, flush=True))

    def _say(self, line: str) -> None:
        with self._lock:
            self._out(line)

    def say(self, line: str) -> None:
        """Print a line of its own between the steps."""
        self._say(line)

    @contextlib.contextmanager
    def step(self, text: str) -> Iterator[Step]:
        with self._lock:
            self._begun += 1
            step = Step(self._begun, self.total, text)
        self._say(f"{step.head} ...")
        over = threading.Event()
        reporter = threading.Thread(target=self._report, args=(step, over), daemon=True)
        reporter.start()
        try:
            yield step
        finally:
            over.set()
            reporter.join()
        self._say(f"{step.head}: done in {duration(step.elapsed)}")

    def _report(self, step: Step, over: threading.Event) -> None:
        while not over.wait(REPORT_SECONDS):
            detail = f", {step.detail}" if step.detail else ""
            self._say(f"{step.head}: {duration(step.elapsed)}{detail}")


@contextlib.contextmanager
def locked(path: Path, what: str, wait_seconds: float | None = None) -> Iterator[None]:
    """Hold the lock file `path`; others are told that `what` runs, its pid and since when.

    Without `wait_seconds` it waits for as long as it takes and says so once.
    The kernel drops the lock with the process that held it, so a killed run leaves none behind.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+", encoding="utf-8") as lock:
        deadline = None if wait_seconds is None else time.monotonic() + wait_seconds
        said = False
        while not _try_lock(lock):
            if deadline is not None and time.monotonic() >= deadline:
                raise Failure(f"{_holder(lock)} Try again when it has finished.")
            if not said and deadline is None:
                print(f"{_holder(lock)} Waiting for it to finish.", flush=True)
                said = True
            time.sleep(0.2)
        lock.seek(0)
        lock.truncate()
        json.dump({"what": what, "pid": os.getpid(), "since": time.strftime("%Y-%m-%d %H:%M:%S")}, lock)
        lock.flush()
        try:
            yield
        finally:
            lock.truncate(0)


def _try_lock(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _holder(lock: IO[str]) -> str:
    lock.seek(0)
    try:
        held = json.loads(lock.read())
        return f"Another run ({held['what']}, process {held['pid']}) has been at work since {held['since']}."
    except (ValueError, KeyError, TypeError):
        return "Another run is at work."


class Programs:
    """Programs under way, so that an interrupted or failed run can end them all."""

    def __init__(self) -> None:
        self._running: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()
        self._stopping = False

    def start(self, process: Callable[[], subprocess.Popen[bytes]]) -> subprocess.Popen[bytes]:
        with self._lock:
            if self._stopping:
                raise Stopped("Stopped.")
            started = process()
            self._running.add(started)
            return started

    def ended(self, process: subprocess.Popen[bytes]) -> None:
        with self._lock:
            self._running.discard(process)

    def stop(self) -> None:
        """Kill what runs and let nothing new start."""
        with self._lock:
            self._stopping = True
            for process in self._running:
                process.kill()

    @property
    def stopping(self) -> bool:
        return self._stopping

    def allow(self) -> None:
        with self._lock:
            self._stopping = False


PROGRAMS = Programs()


def contained(argv: Sequence[str]) -> list[str]:
    """`argv` in mount and process namespaces of its own, which end with this program however that ends."""
    return [
        "setpriv", "--pdeathsig", "KILL", "--",
        "unshare", "--mount", "--pid", "--fork", "--kill-child=KILL", "--mount-proc", "--propagation", "private", "--",
        *argv,
    ]  # fmt: skip


def enter_rootfs(
    rootfs: Path,
    argv: Sequence[str],
    binds: Iterable[Bind] = (),
    env: Mapping[str, str] | None = None,
    *,
    writable: bool = False,
) -> list[str]:
    """The command line that runs `argv` with `rootfs` as its `/`, ended with its caller.

    It has mount and process namespaces of its own, the machine's network, /dev and /sys, an empty /run and
    /tmp, only the environment `env`, and sees `rootfs` read-only unless `writable`.
    """
    return contained(["/bin/sh", "-euc", _enter_script(rootfs, binds, env or {}, writable), "enter", *argv])


def _enter_script(rootfs: Path, binds: Iterable[Bind], env: Mapping[str, str], writable: bool) -> str:
    root = shlex.quote(str(rootfs))
    lines = [
        f"mount --bind {root} {root}",
        f"cd {root}",
        "mount -t proc proc proc",
        "mount --rbind /sys sys",
        "mount --rbind /dev dev",
        "mount -t tmpfs -o mode=0755 tmpfs run",
        "mount -t tmpfs -o mode=1777 tmpfs tmp",
    ]
    for bind in binds:
        source, target = shlex.quote(str(bind.source)), shlex.quote(bind.target.lstrip("/"))
        if bind.target.startswith(("/run/", "/tmp/")):  # noqa: S108 - inside the root file system
            make = f"mkdir -p {target}" if bind.source.is_dir() else f"mkdir -p $(dirname {target}); : > {target}"
            lines.append(make)
        lines.append(f"mount --bind {source} {target}")
        if not bind.writable:
            lines.append(f"mount -o remount,bind,ro {target}")
    if not writable:
        lines.append("mount -o remount,bind,ro .")
    variables = shlex.join(f"{name}={value}" for name, value in {"PATH": PATH, **env}.items())
    # The old root is stacked on the new one and dropped, so no folder is needed for it.
    lines += ["pivot_root . .", "umount -l .", "cd /", f'exec env -i {variables} "$@"']
    return "\n".join(lines)


def call(
    argv: Sequence[str],
    *,
    what: str,
    log: Path,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    feed: Callable[[IO[bytes]], object] | None = None,
    on_line: Callable[[str], None] | None = None,
) -> str:
    """Run a program to its end and return what it printed, which is appended to `log` too.

    `feed` writes its standard input, which is empty otherwise.
    `what` completes "... failed" in the sentence that a failure is told in.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    lines: list[str] = []
    with log.open("a", encoding="utf-8", buffering=1) as out:
        out.write(f"{time.strftime('%F %T')} {what}\n")
        process = PROGRAMS.start(
            lambda: subprocess.Popen(
                argv,
                env=dict(env) if env is not None else None,
                cwd=cwd,
                stdin=subprocess.PIPE if feed else subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        )
        try:
            assert process.stdout is not None
            if feed:
                threading.Thread(target=_feed, args=(process, feed), daemon=True).start()
            for raw in process.stdout:
                line = raw.decode(errors="replace").rstrip()
                lines.append(line)
                out.write(line + "\n")
                if on_line:
                    on_line(line)
            status = process.wait()
        except BaseException:
            process.kill()
            process.wait()
            raise
        finally:
            PROGRAMS.ended(process)
    if status != 0:
        if PROGRAMS.stopping:
            raise Stopped("Stopped.")
        if any(told in line.lower() for line in lines[-200:] for told in DISK_FULL):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(log.parent))
        if any(told in line.lower() for line in lines[-50:] for told in UNREACHABLE):
            raise Failure(
                f"{what} failed because a package registry cannot be reached; check the network and the proxy "
                f"settings. All of its output is in {log}."
            )
        if status == -signal.SIGKILL or any("signal: killed" in line for line in lines[-50:]):
            raise Failure(f"{what} was killed, most likely because memory ran out; run the command again.")
        raise Failure(f"{what} failed (exit status {status}): {last_error(lines)} All of its output is in {log}.")
    return "\n".join(lines)


def _feed(process: subprocess.Popen[bytes], feed: Callable[[IO[bytes]], object]) -> None:
    assert process.stdin is not None
    # A program that stopped reading says itself why.
    with contextlib.suppress(BrokenPipeError), process.stdin:
        feed(process.stdin)


def last_error(lines: Sequence[str]) -> str:
    """The line of a program's output that most likely says why it failed, as a sentence."""
    said = [line.strip() for line in lines if line.strip()]
    errors = [line for line in said if line.lower().startswith(("error", "e:", "fatal", "err:"))]
    if not said:
        return "it said nothing."
    line = (errors or said)[-1]
    return line if line.endswith((".", "!", "?")) else f"{line}."


@contextlib.contextmanager
def plain_errors(where: Path) -> Iterator[None]:
    """Tell a full disk and a lacking right in one sentence instead of a traceback."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise Failure(
                f"The disk of {where} is full; free some space and run the command again, "
                "it goes on with what is already made."
            ) from error
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise Failure(f"{error.filename or where} cannot be written or run: {error.strerror}.") from error
        raise


def free_bytes(path: Path) -> int:
    """Free space of the file system that holds `path`, which need not exist yet."""
    while not path.exists():
        path = path.parent
    return shutil.disk_usage(path).free


def tree_bytes(path: Path) -> int:
    """What a tree takes on the disk; nothing when it does not exist."""
    total = 0
    for folder, _folders, names in os.walk(path):
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                total += (Path(folder) / name).lstat().st_blocks * 512
    return total


def mounted_names() -> set[str]:
    """The last name of every folder that is mounted somewhere, in whatever mount namespace."""
    names = set()
    for table in Path("/proc").glob("[0-9]*/mountinfo"):
        # Processes end while one looks at them.
        with contextlib.suppress(OSError):
            names |= {Path(line.split()[3]).name for line in table.read_text().splitlines()}
    return names


def digest(*parts: str | bytes) -> str:
    """A short key of `parts` for names in the cache."""
    whole = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        whole.update(len(data).to_bytes(8, "big") + data)
    return whole.hexdigest()[:16]


def ca_bundle() -> Path | None:
    """The certificates that this machine trusts, as one file."""
    wanted = [os.environ[name] for name in CA_VARIABLES if os.environ.get(name)]
    return next((Path(name) for name in (*wanted, *CA_BUNDLES) if Path(name).is_file()), None)


def proxy_environment() -> dict[str, str]:
    """The proxy settings of this machine, in both spellings."""
    found = {name: os.environ.get(name) or os.environ.get(name.upper()) for name in PROXY_VARIABLES}
    return {spelt: value for name, value in found.items() if value for spelt in (name, name.upper())}


def remove(path: Path) -> None:
    """Remove a file or a tree, also one with read-only folders."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, onerror=_make_writable)
    else:
        path.unlink(missing_ok=True)


def _make_writable(function: Callable[[str], object], name: str, error: object) -> None:
    Path(name).parent.chmod(0o700)
    function(name)
