"""A containerd data folder with every image imported once, for nodes to hard-link instead of importing each."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Collection
from pathlib import Path

from . import run
from .layout import Layout
from .run import Bind

CONFIG = """\
version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
address = "/run/containerd/containerd.sock"
# What a replaced image leaves is collected at the end: in the middle of an import the collector takes layers away that
# the next image stands on.
[plugins."io.containerd.gc.v1.scheduler"]
startup_delay = "24h"
deletion_threshold = 0
mutation_threshold = 1000000000
"""
START_SECONDS = 30
# Files that containerd writes in place; all others it replaces, so links to them are safe.
WRITTEN_IN_PLACE = "*.db"

# $@ are the images to remove; the images to add come on standard input.
SCRIPT = f"""
containerd --config /run/work/config.toml >/run/work/containerd.log 2>&1 &
daemon=$!
tries=0
until ctr version >/dev/null 2>&1; do
    tries=$((tries + 1))
    if [ $tries -gt {START_SECONDS * 10} ] || ! kill -0 $daemon 2>/dev/null; then
        echo "error: containerd does not start: $(tail -n 1 /run/work/containerd.log)"
        exit 1
    fi
    sleep 0.1
done
if [ "$ADD" = yes ]; then ctr --namespace k8s.io images import --digests=false -; fi
if [ $# -gt 0 ]; then ctr --namespace k8s.io images remove "$@"; fi
ctr --namespace k8s.io leases create --id collect >/dev/null
ctr --namespace k8s.io leases delete --sync collect
kill $daemon
wait $daemon || true
"""


def make(
    rootfs: Path,
    layout: Layout,
    target: Path,
    log: Path,
    *,
    previous: Path | None = None,
    add: Collection[str],
    remove: Collection[str] = (),
) -> None:
    """Make the data folder `target` from `previous` or from nothing, with the images `add` of `layout` in it."""
    partial = target.with_name(f"{target.name}.partial")
    run.remove(partial)
    if previous:
        clone(previous, partial, log)
    else:
        partial.mkdir(parents=True)
    with tempfile.TemporaryDirectory(prefix="golden-", dir=target.parent) as work:
        (Path(work) / "config.toml").write_text(CONFIG)
        binds = [
            Bind(partial, "/var/lib/containerd", writable=True),
            Bind(Path(work), "/run/work", writable=True),
        ]
        environment = {"ADD": "yes" if add else "no"}
        run.call(
            run.enter_rootfs(rootfs, ["/bin/sh", "-euc", SCRIPT, "import", *remove], binds, environment),
            what="Importing the images into containerd",
            log=log,
            feed=lambda stream: layout.archive(stream, add),
        )
    partial.rename(target)


def clone(source: Path, target: Path, log: Path) -> None:
    """Copy a containerd data folder that is not in use, in a moment and at almost no disk space."""
    run.call(["cp", "--archive", "--link", str(source), str(target)], what=f"Linking {source.name}", log=log)
    for database in target.rglob(WRITTEN_IN_PLACE):
        own = database.with_name(f"{database.name}.own")
        shutil.copy2(database, own)
        own.replace(database)
