"""Bringing images from the cache into a running node's containerd: only those that it does not have."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Collection
from pathlib import Path

from .config import Artifacts, Node, Paths
from .inside import inside
from .layout import Layout
from .run import Failure

ATTEMPTS = 3


def record(paths: Paths, node: Node) -> Path:
    """The images that the node has: reference to digest."""
    return paths.node(node) / "images.json"


def digests(images: Path) -> dict[str, str]:
    return {name: descriptor["digest"] for name, descriptor in Layout(images).manifests().items()}


def write_record(paths: Paths, node: Node, has: dict[str, str]) -> None:
    partial = record(paths, node).with_suffix(".partial")
    partial.write_text(json.dumps(has, indent=2) + "\n")
    partial.replace(record(paths, node))


def bring(paths: Paths, node: Node, init: int, artifacts: Artifacts) -> list[str]:
    """Import what is new or changed since the last time; return the references of these images."""
    wanted = digests(artifacts.images)
    has = json.loads(record(paths, node).read_text()) if record(paths, node).exists() else {}
    changed = sorted(name for name, digest in wanted.items() if has.get(name) != digest)
    if changed:
        _import(init, Layout(artifacts.images), changed, node)
        write_record(paths, node, has | wanted)
    return changed


def _import(init: int, layout: Layout, references: Collection[str], node: Node) -> None:
    """The node's collector may take a layer of a replaced image away while the next one needs it; then once more."""
    for _attempt in range(ATTEMPTS):
        said = _try_import(init, layout, references)
        if said is None:
            return
    last = said.splitlines()[-1] if said else "no message"
    raise Failure(f"The images cannot be imported into node {node.name}: {last}.")


def _try_import(init: int, layout: Layout, references: Collection[str]) -> str | None:
    """What it said when it failed, None when it did not."""
    command = inside(init, ["ctr", "--namespace", "k8s.io", "images", "import", "--digests=false", "-"])
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as ctr:
        assert ctr.stdin is not None
        assert ctr.stderr is not None
        try:
            layout.archive(ctr.stdin, references)
            ctr.stdin.close()
        except BrokenPipeError:
            # It ended early; why is on its standard error.
            pass
        said = ctr.stderr.read().decode(errors="replace").strip()
    return said if ctr.returncode != 0 else None
