"""The control groups of one cluster, on machines with cgroup v1 or v2, with and without systemd.

Each node has a path of its own below one folder of the cluster; a process belongs to the cluster exactly when
it is in there, which is how nothing is overlooked when a cluster ends.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from .config import Cluster, Node
from .run import Failure

MOUNTINFO = Path("/proc/self/mountinfo")
# The kubelet asks for each of these that the machine has.
V2_CONTROLLERS = ("cpuset", "cpu", "hugetlb", "io", "memory", "pids")


@dataclass(frozen=True)
class Hierarchies:
    """Where control groups are mounted: one folder with v2, one for each controller with v1."""

    v2: bool
    roots: tuple[Path, ...]
    # Beside v1 some machines mount v2 without controllers; runc makes groups there too.
    unused: tuple[Path, ...] = ()


def hierarchies(mountinfo: str | None = None) -> Hierarchies:
    """Read them from the text of /proc/self/mountinfo."""
    text = MOUNTINFO.read_text() if mountinfo is None else mountinfo
    v1: list[Path] = []
    v2: list[Path] = []
    for line in text.splitlines():
        mount, _dash, source = line.partition(" - ")
        kind, folder = source.split()[0], Path(mount.split()[4])
        if kind == "cgroup" and folder.is_relative_to("/sys/fs/cgroup"):
            v1.append(folder)
        if kind == "cgroup2" and folder.is_relative_to("/sys/fs/cgroup"):
            v2.append(folder)
    if v1:
        return Hierarchies(False, tuple(dict.fromkeys(v1)), tuple(v2))
    if v2:
        return Hierarchies(True, tuple(v2[:1]))
    raise Failure(
        "No control groups are mounted at /sys/fs/cgroup; the embedded cluster needs cgroup v1 or v2 "
        "(in a container: run it privileged)."
    )


def leaves(cluster: Cluster) -> list[str]:
    """Groups that processes are put into, relative to the cluster's own."""
    return ["supervisor", "proxy", *(f"{node.name}/node" for node in cluster.all_nodes)]


def create(cluster: Cluster, found: Hierarchies) -> None:
    try:
        for root in found.roots:
            if found.v2:
                _delegate(root)
            for leaf in leaves(cluster):
                folder = root
                for part in (cluster.cgroup, *leaf.split("/")):
                    parent, folder = folder, folder / part
                    folder.mkdir(exist_ok=True)
                    if not found.v2:
                        _copy_cpuset(parent, folder)
                    elif part not in ("node", "supervisor", "proxy"):
                        _enable(folder)
    except OSError as error:
        raise Failure(
            f"The control group of cluster {cluster.name} cannot be made: {error.strerror} ({error.filename}); "
            "the embedded cluster needs root and a writable /sys/fs/cgroup."
        ) from error


def procs_files(cluster: Cluster, leaf: str, found: Hierarchies) -> list[Path]:
    """A process that writes 0 into each of these files enters the group."""
    return [root / cluster.cgroup / leaf / "cgroup.procs" for root in found.roots]


def processes(cluster: Cluster, found: Hierarchies) -> set[int]:
    numbers: set[int] = set()
    for folder in _folders(cluster, found):
        try:
            numbers.update(int(line) for line in (folder / "cgroup.procs").read_text().split())
        except OSError:
            continue
    return numbers - {0, os.getpid()}


def kill(cluster: Cluster, found: Hierarchies, seconds: float = 10) -> int:
    """Kill all that runs in the cluster; return how many processes there were."""
    end = time.monotonic() + seconds
    killed: set[int] = set()
    while left := processes(cluster, found):
        _thaw(cluster, found)
        for number in left:
            try:
                os.kill(number, signal.SIGKILL)
            except ProcessLookupError:
                continue
        killed |= left
        if time.monotonic() > end:
            raise Failure(
                f"Process {min(left)} of cluster {cluster.name} did not end within {seconds:.0f} s after SIGKILL; "
                f"see /proc/{min(left)}/stack for what it waits for."
            )
        time.sleep(0.05)
    return len(killed)


def remove(cluster: Cluster, found: Hierarchies) -> None:
    _remove(_folders(cluster, found))


def remove_pods(cluster: Cluster, node: Node, found: Hierarchies) -> None:
    """Remove what the pods of a node that died left: a new kubelet would ask for each of them for seconds."""
    for root in (*found.roots, *found.unused):
        _remove(
            Path(folder)
            for folder, _folders, _files in os.walk(root / cluster.cgroup / node.name / "kubepods", topdown=False)
        )


def _remove(folders: Iterable[Path]) -> None:
    for folder in folders:
        for attempt in range(20):
            try:
                folder.rmdir()
                break
            except FileNotFoundError:
                break
            except OSError:
                # A process that has just ended may keep its group busy for a moment.
                if attempt == 19:
                    raise
                time.sleep(0.1)


def _folders(cluster: Cluster, found: Hierarchies) -> Iterator[Path]:
    for root in (*found.roots, *found.unused):
        for folder, _folders, _files in os.walk(root / cluster.cgroup, topdown=False):
            yield Path(folder)


def _copy_cpuset(parent: Path, folder: Path) -> None:
    for name in ("cpuset.cpus", "cpuset.mems"):
        if (folder / name).exists() and not (folder / name).read_text().strip():
            (folder / name).write_text((parent / name).read_text())


def _enable(folder: Path) -> None:
    available = (folder / "cgroup.controllers").read_text().split()
    wanted = [f"+{name}" for name in V2_CONTROLLERS if name in available]
    (folder / "cgroup.subtree_control").write_text(" ".join(wanted))


def _delegate(root: Path) -> None:
    """Let groups below the root have controllers.

    In a container the root holds processes, which forbids that; they move to a group beside ours, as kind does.
    """
    enabled = (root / "cgroup.subtree_control").read_text().split()
    available = (root / "cgroup.controllers").read_text().split()
    if all(name in enabled for name in V2_CONTROLLERS if name in available):
        return
    try:
        _enable(root)
    except OSError:
        aside = root / "init"
        aside.mkdir(exist_ok=True)
        for number in (root / "cgroup.procs").read_text().split():
            try:
                (aside / "cgroup.procs").write_text(number)
            except OSError:
                continue
        _enable(root)


def _thaw(cluster: Cluster, found: Hierarchies) -> None:
    for folder in _folders(cluster, found):
        for name, thawed in (("freezer.state", "THAWED"), ("cgroup.freeze", "0")):
            if (folder / name).exists():
                (folder / name).write_text(thawed)
