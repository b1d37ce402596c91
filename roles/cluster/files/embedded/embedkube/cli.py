"""The command line: python -m embedkube COMMAND."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from . import build, cgroups, lifecycle, run, supervise
from .config import FOLDER, Cluster, Node, Paths, default_cache, default_state
from .inside import init_process, inside
from .kubeapi import KubeApi, UnreachableError
from .run import Failure, Progress
from .status import describe

CHECKOUT = FOLDER.parents[3]


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    command: Callable[[argparse.Namespace], int] = options.command
    try:
        with run.plain_errors(options.state):
            return command(options)
    except (Failure, ValueError) as failure:
        print(failure, file=sys.stderr)
        return 1
    except ModuleNotFoundError as error:
        print(
            f"{sys.executable} lacks the Python package {error.name}, which the embedded cluster needs: "
            "install requirements.txt of the collection into that Python.",
            file=sys.stderr,
        )
        return 1
    except KeyboardInterrupt:
        print("Interrupted; run the same command again, it goes on from here.", file=sys.stderr)
        return 130


def parser() -> argparse.ArgumentParser:
    whole = argparse.ArgumentParser(prog="embedkube", description="An embedded Kubernetes in network namespaces.")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--name", default="hustlex", help="cluster name, also the context's (default: hustlex)")
    common.add_argument("--cache", type=Path, default=default_cache(), help="folder of what can be rebuilt")
    common.add_argument("--state", type=Path, default=default_state(), help="folder of the clusters' data")
    common.add_argument("--images-dir", type=Path, default=CHECKOUT / "images", help="folder of the Containerfiles")
    shape = argparse.ArgumentParser(add_help=False)
    shape.add_argument("--nodes", type=int, default=1, help="number of nodes, 1 to 9 (default: 1)")
    shape.add_argument("--api-port", type=int, default=6443, help="API server on 127.0.0.1 (default: 6443)")
    shape.add_argument("--http-port", type=int, default=8080, help="application on 127.0.0.1 (default: 8080)")
    shape.add_argument("--node-port", type=int, default=30080, help="NodePort that --http-port leads to")
    shape.add_argument("--s3-port", type=int, default=9000, help="S3 server on 127.0.0.1, 0 for none (default: 9000)")
    shape.add_argument("--unsafe-no-fsync", action="store_true", help="for tests: data may be lost with the machine")
    check = argparse.ArgumentParser(add_help=False)
    check.add_argument("--check", action="store_true", help="only say what would be done")
    commands = whole.add_subparsers(required=True, metavar="COMMAND")

    def add(
        name: str, action: Callable[[argparse.Namespace], int], text: str, *parents: argparse.ArgumentParser
    ) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=text, parents=[common, *parents])
        added.set_defaults(command=action)
        return added

    add("build", _build, "Make everything in the cache.")
    add("start", _start, "Build what is missing, start, wait until all is ready.", shape, check)
    add("stop", _stop, "Stop; data stays.", check)
    add("destroy", _destroy, "Stop and remove all data.", check)
    add("load", _load, "Build changed images and import them into the running nodes.")
    status = add("status", _status, "Say what runs.")
    status.add_argument("--json", action="store_true", help="as data")
    node = add("node", _node, "Fault drills: switch a node off or on, cut it off the network or join it again.")
    node.add_argument("action", choices=["off", "on", "cut", "join"])
    node.add_argument("node", help="n1, n2, ...")
    execute = add("exec", _exec, "Run a program in a node, for example: exec n1 ctr -n k8s.io images list")
    execute.add_argument("node", help="n1, n2, ...")
    execute.add_argument("argv", nargs=argparse.REMAINDER, help="the program and its arguments")
    return whole


def _paths(options: argparse.Namespace) -> Paths:
    # Checks the name before it becomes part of a path.
    Cluster(options.name)
    return Paths(options.name, options.cache.absolute(), options.state.absolute(), options.images_dir.absolute())


def _known(paths: Paths) -> Cluster:
    """The cluster as it was started last."""
    applied = lifecycle.Applied.read(paths)
    return applied.cluster if applied else Cluster(paths.name)


def _say(changed: bool, did: str, had: str) -> int:
    print(f"changed: {did}" if changed else f"unchanged: {had}", flush=True)
    return 0


def _build(options: argparse.Namespace) -> int:
    build.build(_paths(options))
    return 0


def _start(options: argparse.Namespace) -> int:
    paths = _paths(options)
    cluster = Cluster(
        options.name,
        nodes=options.nodes,
        api_port=options.api_port,
        http_port=options.http_port,
        node_port=options.node_port,
        s3_port=options.s3_port,
        fsync=not options.unsafe_no_fsync,
    )
    runs = f"cluster {cluster.name} runs at {cluster.local_url}, kubeconfig {paths.kubeconfig}"
    if lifecycle.is_unchanged(cluster, paths, build.artifacts(paths)):
        return _say(False, "", runs)
    if options.check:
        return _say(True, f"cluster {cluster.name} would be started", "")
    lifecycle.require_root()
    with lifecycle.held(paths, "start"):
        artifacts = build.build(paths)
        changed = lifecycle.start(cluster, paths, artifacts, Progress(lifecycle.START_STEPS))
    return _say(changed, runs, runs)


def _stop(options: argparse.Namespace) -> int:
    paths = _paths(options)
    if options.check:
        runs = lifecycle.is_running(_known(paths), paths)
        return _say(runs, f"cluster {paths.name} would be stopped", f"cluster {paths.name} does not run")
    with lifecycle.held(paths, "stop"):
        changed = lifecycle.stop(_known(paths), paths)
    return _say(changed, f"cluster {paths.name} is stopped", f"cluster {paths.name} did not run")


def _destroy(options: argparse.Namespace) -> int:
    paths = _paths(options)
    if options.check:
        there = paths.state.exists() or lifecycle.is_running(_known(paths), paths)
        return _say(there, f"cluster {paths.name} would be removed", f"there is no cluster {paths.name}")
    with lifecycle.held(paths, "removal"):
        changed = lifecycle.destroy(_known(paths), paths)
        paths.lock.unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        paths.state_root.rmdir()
    return _say(changed, f"cluster {paths.name} is removed", f"there was no cluster {paths.name}")


def _load(options: argparse.Namespace) -> int:
    paths = _paths(options)
    cluster = _known(paths)
    with lifecycle.held(paths, "load"):
        artifacts = build.build(paths)
        loaded = lifecycle.load(cluster, paths, artifacts)
    return _say(bool(loaded), f"{', '.join(sorted(loaded))} loaded", "the nodes have all images")


def _status(options: argparse.Namespace) -> int:
    paths = _paths(options)
    cluster = _known(paths)
    found = describe(cluster, paths, _ready_nodes(cluster, paths))
    if options.json:
        print(json.dumps(found, indent=2))
        return 0
    print(f"Cluster {found['name']}: {found['state']}")
    if found["state"] in ("running", "degraded"):
        print(f"  API         {found['api']}\n  application {found['http']}\n  kubeconfig  {found['kubeconfig']}")
        if found["s3"]:
            print(f"  S3          {found['s3']}, credentials in {paths.s3}")
        for node in found["nodes"]:
            ready = "ready" if node["ready"] else "not ready"
            print(f"  node {node['name']}     {node['process']}, {ready}, {node['zone']}, logs {node['logs']}")
        for program in found["programs"]:
            if program["state"] != "running":
                print(f"  {program['name']} on {program['node']} is {program['state']}, log {program['log']}")
    return 0


def _ready_nodes(cluster: Cluster, paths: Paths) -> dict[str, bool] | None:
    if not (paths.pki / "admin.key").exists():
        return None
    try:
        items = KubeApi(paths, cluster.api_port, timeout=5).get("/api/v1/nodes")["items"]
    except UnreachableError:
        return None
    return {
        item["metadata"]["name"]: any(
            entry["type"] == "Ready" and entry["status"] == "True" for entry in item["status"].get("conditions", [])
        )
        for item in items
    }


def _node_of(cluster: Cluster, name: str) -> Node:
    nodes = {node.name: node for node in cluster.all_nodes}
    if name not in nodes:
        raise Failure(f"Cluster {cluster.name} has no node {name}; it has {', '.join(nodes)}.")
    return nodes[name]


def _node(options: argparse.Namespace) -> int:
    from . import network

    paths = _paths(options)
    cluster = _known(paths)
    node = _node_of(cluster, options.node)
    supervisor = supervise.top(paths)
    if node.name not in supervisor.programs():
        raise Failure(f"Cluster {cluster.name} does not run.")
    with lifecycle.held(paths, f"node {options.action}"):
        if options.action == "off":
            supervisor.kill(node.name)
        elif options.action == "on":
            lifecycle.start_node(cluster, node, supervisor, cgroups.hierarchies())
        else:
            network.set_link(cluster, node, build.artifacts(paths).rootfs, up=options.action == "join")
    return 0


def _exec(options: argparse.Namespace) -> int:
    paths = _paths(options)
    cluster = _known(paths)
    node = _node_of(cluster, options.node)
    program = supervise.top(paths).programs().get(node.name)
    init = init_process(program.pid) if program else None
    if init is None:
        raise Failure(f"Node {node.name} of cluster {cluster.name} does not run.")
    argv = inside(init, options.argv or ["/bin/bash"])
    os.execvp(argv[0], argv)  # noqa: S606 - no shell is wanted
