"""What there is of a cluster, read from the machine without changing it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import supervise
from .config import Cluster, Paths
from .inside import init_process, supervisor_of

RUNNING = "RUNNING"


@dataclass(frozen=True)
class ProgramState:
    """A program of a node; its log as the machine sees it."""

    node: str
    name: str
    state: str
    log: Path


def node_programs(cluster: Cluster, paths: Paths, top: dict[str, supervise.Program]) -> list[ProgramState]:
    found = []
    for node in cluster.all_nodes:
        program = top.get(node.name)
        init = init_process(program.pid) if program and program.state == RUNNING else None
        inner = supervisor_of(init).programs() if init else {}
        found += [
            ProgramState(node.name, item.name, item.state, paths.node_logs(node) / f"{item.name}.log")
            for item in inner.values()
        ]
    return found


def is_up(cluster: Cluster, top: dict[str, supervise.Program]) -> bool:
    wanted = ["proxy", *(node.name for node in cluster.all_nodes)]
    return all(name in top and top[name].state == RUNNING for name in wanted)


def describe(cluster: Cluster, paths: Paths, ready: dict[str, bool] | None) -> dict[str, Any]:
    """The state as data; `ready` is what the API server says about each node, None when it does not answer."""
    top = supervise.top(paths).programs()
    if is_up(cluster, top):
        state = "running" if ready is not None and all(ready.values()) else "degraded"
    elif top:
        state = "degraded"
    else:
        state = "stopped" if paths.state.exists() else "absent"
    return {
        "name": cluster.name,
        "state": state,
        "api": cluster.local_url,
        "http": f"http://127.0.0.1:{cluster.http_port}",
        "s3": cluster.s3_url if cluster.s3_port else "",
        "kubeconfig": str(paths.kubeconfig),
        "context": cluster.name,
        "kubectl": str(paths.bin / "kubectl"),
        "logs": str(paths.logs),
        "nodes": [
            {
                "name": node.name,
                "address": str(node.address),
                "zone": node.zone,
                "process": top[node.name].state.lower() if node.name in top else "absent",
                "ready": bool(ready and ready.get(node.name)),
                "logs": str(paths.node_logs(node)),
            }
            for node in cluster.all_nodes
        ],
        "programs": [
            {"node": item.node, "name": item.name, "state": item.state.lower(), "log": str(item.log)}
            for item in node_programs(cluster, paths, top)
        ],
    }
