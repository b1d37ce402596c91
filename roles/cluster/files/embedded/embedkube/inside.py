"""Getting into a node that runs."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from .config import CONTAINERD_SOCKET, NODE_SUPERVISOR
from .supervise import Supervisor


def init_process(program_pid: int) -> int | None:
    """The node's first process: the child of the `unshare` that the supervisor started."""
    try:
        children = Path(f"/proc/{program_pid}/task/{program_pid}/children").read_text().split()
    except OSError:
        return None
    return int(children[0]) if children else None


def inside(init: int, command: Sequence[str]) -> list[str]:
    """The command line that runs `command` within the node whose first process is `init`."""
    path = "PATH=/opt/kube/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    return [
        *("nsenter", f"--target={init}", "--mount", "--uts", "--ipc", "--net", "--pid", "--"),
        *("/usr/bin/env", "-i", path, "HOME=/tmp", f"TERM={os.environ.get('TERM', 'dumb')}"),
        f"CONTAINERD_ADDRESS={CONTAINERD_SOCKET}",
        *command,
    ]


def supervisor_of(init: int) -> Supervisor:
    """The supervisor of the node whose first process is `init`."""
    return Supervisor(Path(f"/proc/{init}/root") / NODE_SUPERVISOR.relative_to("/"))
