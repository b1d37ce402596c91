"""Start, stop and removal of a cluster, each safe to repeat and to interrupt."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from . import cgroups, network, render, run, s3, supervise
from .config import PACKAGE, Artifacts, Cluster, Node, Paths
from .inside import init_process, supervisor_of
from .kubeapi import KubeApi
from .run import Failure, Progress
from .status import RUNNING, is_up, node_programs

API_SECONDS = 120
READY_SECONDS = 240
POD_STOP_SECONDS = 10
PROGRAM_STOP_SECONDS = 12
LOCK_SECONDS = 5
START_STEPS = 6

API_PORT_VARIABLE = "cluster_embedded_api_port"
HTTP_PORT_VARIABLE = "cluster_embedded_http_port"
S3_PORT_VARIABLE = "cluster_embedded_s3_port"


@dataclass(frozen=True)
class Wanted:
    """What a cluster is started with: another `base` needs a restart, `images` an import, `addons` an apply."""

    base: str
    images: str
    addons: str

    @classmethod
    def of(cls, cluster: Cluster, paths: Paths, artifacts: Artifacts, found: cgroups.Hierarchies) -> Wanted:
        texts = [json.dumps(asdict(cluster)), str(artifacts.bin), str(artifacts.rootfs), render.proxy_config(cluster)]
        texts.append(render.supervisor_config(cluster, paths, artifacts, group_files(cluster, found)))
        for node in cluster.all_nodes:
            texts += [f"{name}\n{text}" for name, text in sorted(render.node_files(cluster, node).items())]
        texts += [(render.SCRIPTS / name).read_text() for name in render.MACHINE_SCRIPTS]
        addons = [file.read_text() for file in sorted((PACKAGE / "manifests").glob("*.yaml"))]
        addons += [(PACKAGE / name).read_text() for name in ("addons.py", "s3.py")]
        return cls(_digest(texts), artifacts.images.name, _digest(addons))


@dataclass(frozen=True)
class Applied:
    """What the last start was done with; `images` and `addons` are empty until it is complete."""

    cluster: Cluster
    wanted: Wanted
    certificates_until: datetime

    @classmethod
    def read(cls, paths: Paths) -> Applied | None:
        try:
            data = json.loads(paths.applied.read_text())
            until = datetime.fromisoformat(data["certificates_until"])
            return cls(Cluster(**data["cluster"]), Wanted(**data["wanted"]), until)
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def write(self, paths: Paths) -> None:
        data = {
            "cluster": asdict(self.cluster),
            "wanted": asdict(self.wanted),
            "certificates_until": self.certificates_until.isoformat(),
        }
        partial = paths.applied.with_suffix(".partial")
        partial.write_text(json.dumps(data, indent=2) + "\n")
        partial.replace(paths.applied)


def group_files(cluster: Cluster, found: cgroups.Hierarchies) -> dict[str, list[Path]]:
    return {leaf: cgroups.procs_files(cluster, leaf, found) for leaf in cgroups.leaves(cluster)}


@contextlib.contextmanager
def held(paths: Paths, what: str) -> Iterator[None]:
    with run.locked(paths.lock, f"{what} of cluster {paths.name}", LOCK_SECONDS):
        yield


def is_unchanged(cluster: Cluster, paths: Paths, artifacts: Artifacts) -> bool:
    """Whether the cluster runs as wanted, found out in a fraction of a second."""
    applied = Applied.read(paths)
    if applied is None or applied.cluster != cluster or not paths.kubeconfig.exists():
        return False
    if not (paths.bin / "kubectl").exists() or not s3.is_complete(paths, cluster):
        return False
    # A year before the end everything is made anew; this run shall come before that.
    if (applied.certificates_until - datetime.now(UTC)).days < 365:
        return False
    return (
        is_up(cluster, supervise.top(paths).programs())
        and applied.wanted == Wanted.of(cluster, paths, artifacts, cgroups.hierarchies())
        and KubeApi(paths, cluster.api_port, timeout=5).is_ready()
    )


def start(cluster: Cluster, paths: Paths, artifacts: Artifacts, progress: Progress) -> bool:
    """Bring the cluster up as wanted; tell whether anything had to be done. The lock must be held."""
    from . import addons, images_import, nodes, pki, ports

    require_root()
    if is_unchanged(cluster, paths, artifacts):
        return False
    found = cgroups.hierarchies()
    refuse_other_owner(cluster, paths, found)
    wanted = Wanted.of(cluster, paths, artifacts, found)
    applied = Applied.read(paths)
    supervisor = supervise.top(paths)
    if supervisor.programs() and (applied is None or applied.wanted.base != wanted.base):
        progress.say("The running cluster was started with other settings: it is stopped first.")
        _end(applied.cluster if applied else cluster, paths, found)

    with progress.step("Write certificates and configuration"):
        paths.logs.mkdir(mode=0o700, parents=True, exist_ok=True)
        paths.state.chmod(0o700)
        (paths.state / "proxy-root").mkdir(exist_ok=True)
        _link_kubectl(paths, artifacts)
        until = pki.ensure(paths.pki, cluster)
        text = pki.kubeconfig(paths.pki, "admin", cluster.local_url, cluster.name)
        pki.write_private(paths.kubeconfig, text)
        if cluster.s3_port:
            s3.write_credentials(paths)
        for node in cluster.all_nodes:
            nodes.write_config(cluster, paths, node)
        paths.etc.mkdir(mode=0o700, exist_ok=True)
        # A copy: the checkout that started the cluster may be gone when a node is switched on again.
        for script in render.MACHINE_SCRIPTS:
            (paths.etc / script).write_text((render.SCRIPTS / script).read_text())
        (paths.etc / "haproxy.cfg").write_text(render.proxy_config(cluster))
        paths.supervisor_config.write_text(
            render.supervisor_config(cluster, paths, artifacts, group_files(cluster, found))
        )

    running = supervisor.programs()
    with progress.step("Prepare storage and network of the nodes"):
        for node in cluster.all_nodes:
            if node.name not in running or running[node.name].state != RUNNING:
                nodes.prepare_storage(paths, node, artifacts)
        if not running:
            cgroups.kill(cluster, found)
            ports.check_free(cluster.api_port, "the API server", API_PORT_VARIABLE)
            ports.check_free(cluster.http_port, "the application", HTTP_PORT_VARIABLE)
            if cluster.s3_port:
                ports.check_free(cluster.s3_port, "the S3 server", S3_PORT_VARIABLE)
            cgroups.create(cluster, found)
            network.create(cluster, artifacts.rootfs)
            # Should this run be interrupted, the next one goes on with what then runs.
            Applied(cluster, replace(wanted, images="", addons=""), until).write(paths)
            supervise.launch(paths, cgroups.procs_files(cluster, "supervisor", found))
    with progress.step("Start the nodes and wait for the API server"):
        supervisor.start("proxy")
        started = {
            node.name: datetime.now(UTC) for node in cluster.all_nodes if start_node(cluster, node, supervisor, found)
        }
        api = KubeApi(paths, cluster.api_port)
        _wait_for_api(cluster, paths, supervisor, api)
    with progress.step("Load the images that a node lacks"):
        for node in cluster.all_nodes:
            loaded = images_import.bring(paths, node, _init(supervisor, node), artifacts)
            if loaded:
                progress.say(f"      {node.name}: {', '.join(loaded)}")
    with progress.step("Apply DNS, metrics and storage"):
        addons.apply(api, cluster, s3.manifest_values(paths) if cluster.s3_port else {})
    what = "the node" if cluster.nodes == 1 else f"the {cluster.nodes} nodes"
    with progress.step(f"Wait until {what}, DNS, metrics and storage are ready"):
        missing = addons.wait_ready(
            api,
            cluster,
            started,
            READY_SECONDS,
            lambda line: progress.say(f"      {line}"),
            lambda: s3.unreachable(paths, cluster),
        )
        if missing:
            raise Failure(
                f"Cluster {cluster.name} is not ready after {READY_SECONDS} s: {'; '.join(missing)}; "
                f"{_suspect(cluster, paths, supervisor)}"
            )
    Applied(cluster, wanted, until).write(paths)
    return True


def stop(cluster: Cluster, paths: Paths) -> bool:
    """End everything that runs; data stays. Tell whether anything ran. The lock must be held."""
    require_root()
    found = cgroups.hierarchies()
    refuse_other_owner(cluster, paths, found)
    applied = Applied.read(paths)
    return _end(applied.cluster if applied else cluster, paths, found)


def destroy(cluster: Cluster, paths: Paths) -> bool:
    """Stop and remove everything of the cluster from the machine. The lock must be held."""
    changed = stop(cluster, paths)
    if paths.state.exists():
        changed = True
        _remove_state(paths)
    return changed


def load(cluster: Cluster, paths: Paths, artifacts: Artifacts) -> set[str]:
    """Import what is new or changed into the running nodes; return these images. The lock must be held."""
    from . import images_import

    supervisor = supervise.top(paths)
    loaded: set[str] = set()
    for node in cluster.all_nodes:
        loaded.update(images_import.bring(paths, node, _init(supervisor, node), artifacts))
    applied = Applied.read(paths)
    if applied:
        replace(applied, wanted=replace(applied.wanted, images=artifacts.images.name)).write(paths)
    return loaded


def is_running(cluster: Cluster, paths: Paths) -> bool:
    """Whether anything of the cluster is there that a stop would end."""
    left = cgroups.processes(cluster, cgroups.hierarchies()) or network.existing(cluster)
    return bool(supervise.top(paths).programs() or left)


def require_root() -> None:
    if os.geteuid() != 0:
        raise Failure(
            "The embedded cluster needs root: it makes network namespaces, mounts and control groups; "
            "run it as root, or set cluster_provider to existing and use a cluster that you have."
        )


def refuse_other_owner(cluster: Cluster, paths: Paths, found: cgroups.Hierarchies) -> None:
    """Clusters of one name would share namespaces and control groups; their supervisors' command lines differ."""
    for number in cgroups.processes(cluster, found):
        try:
            words = Path(f"/proc/{number}/cmdline").read_text().split("\0")
        except OSError:
            continue
        if "supervisor.supervisord" in words and str(paths.supervisor_config) not in words:
            config = next((word for word in words if word.endswith("supervisord.conf")), "unknown")
            raise Failure(
                f"A cluster named {cluster.name} already runs with its state in {Path(config).parent.parent}, "
                f"not {paths.state}: choose another name, or use that state folder."
            )


def _digest(texts: list[str]) -> str:
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16]


def _link_kubectl(paths: Paths, artifacts: Artifacts) -> None:
    paths.bin.mkdir(exist_ok=True)
    link = paths.bin / "kubectl.new"
    link.unlink(missing_ok=True)
    link.symlink_to(artifacts.bin / "kubectl")
    link.replace(paths.bin / "kubectl")


def start_node(cluster: Cluster, node: Node, supervisor: supervise.Supervisor, found: cgroups.Hierarchies) -> bool:
    """Start a node unless it runs; tell whether it was started."""
    if supervisor.programs()[node.name].state in (RUNNING, "STARTING"):
        return False
    cgroups.remove_pods(cluster, node, found)
    supervisor.start(node.name)
    return True


def _init(supervisor: supervise.Supervisor, node: Node) -> int:
    program = supervisor.programs().get(node.name)
    init = init_process(program.pid) if program else None
    if init is None:
        raise Failure(f"Node {node.name} does not run.")
    return init


def _wait_for_api(cluster: Cluster, paths: Paths, supervisor: supervise.Supervisor, api: KubeApi) -> None:
    end = time.monotonic() + API_SECONDS
    look = time.monotonic() + 1
    while not api.is_ready():
        if time.monotonic() > look:
            look = time.monotonic() + 1
            _fail_when_ended(paths, supervisor)
        if time.monotonic() > end:
            raise Failure(
                f"The API server of cluster {cluster.name} is not ready after {API_SECONDS} s; "
                f"{_suspect(cluster, paths, supervisor)}"
            )
        time.sleep(0.1)


def _fail_when_ended(paths: Paths, supervisor: supervise.Supervisor) -> None:
    for program in supervisor.programs().values():
        if program.state in ("EXITED", "FATAL"):
            raise Failure(f"{program.name} ended at its start; {supervise.last_lines(Path(program.log))}")


def _suspect(cluster: Cluster, paths: Paths, supervisor: supervise.Supervisor) -> str:
    """The program that most likely is the reason, by what it last said."""
    states = node_programs(cluster, paths, supervisor.programs())
    broken = [item for item in states if item.state != RUNNING]
    chosen = (broken or [item for item in states if item.name == "kube-apiserver"] or states)[:1]
    if not chosen:
        return f"logs are in {paths.logs}."
    item = chosen[0]
    return f"{item.name} on {item.node} is {item.state.lower()}, {supervise.last_lines(item.log)}"


def _end(cluster: Cluster, paths: Paths, found: cgroups.Hierarchies) -> bool:
    """Stop what runs, kill what does not stop, take down network and control groups."""
    from . import pods

    supervisor = supervise.top(paths)
    programs = supervisor.programs()
    ran = bool(programs)
    if ran:
        running = [node for node in cluster.all_nodes if node.name in programs and programs[node.name].state == RUNNING]
        inits = [init for node in running if (init := init_process(programs[node.name].pid))]
        for init in inits:
            # Else it would start the pods again that now end.
            with contextlib.suppress(Failure, KeyError):
                supervisor_of(init).stop("kubelet")
        pods.stop(inits, POD_STOP_SECONDS)
        inner = [supervisor_of(init) for init in inits]
        # All at once: left to itself a supervisor waits for one program after the other.
        for each in inner:
            each.stop_all()
        _wait_until(lambda: not any(each.is_busy() for each in inner), PROGRAM_STOP_SECONDS)
        for name in programs:
            supervisor.stop(name, wait=False)
        _wait_until(lambda: all(item.state not in (RUNNING, "STOPPING") for item in supervisor.programs().values()), 20)
        supervisor.shutdown()
        _wait_until(lambda: not supervisor.programs(), 5)
    killed = cgroups.kill(cluster, found)
    left = bool(network.existing(cluster))
    network.remove(cluster)
    cgroups.remove(cluster, found)
    for stale in (paths.supervisor_socket, paths.supervisor_pid):
        stale.unlink(missing_ok=True)
    return ran or killed > 0 or left


def _wait_until(condition: Any, seconds: float) -> None:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.1)


def _remove_state(paths: Paths) -> None:
    """Only what a cluster makes is removed: a mistyped folder must not cost anyone their files."""
    from . import mounts

    mounts.detach_below(paths.state)
    for name in (
        "applied.json", "applied.partial", "bin", "etc", "kubeconfig", "kubeconfig.partial", "logs", "nodes", "pki",
        "proxy-root", "s3", "shared", "supervisor.sock", "supervisord.pid",
    ):  # fmt: skip
        if (path := paths.state / name).exists() or path.is_symlink():
            run.remove(path)
    with contextlib.suppress(OSError):
        paths.state.rmdir()
