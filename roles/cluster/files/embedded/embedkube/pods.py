"""The orderly end of pods: their processes get the signal that their image asks for before the node goes."""

from __future__ import annotations

import base64
import json
import subprocess
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from .inside import inside

METADATA = "io.cri-containerd.container.metadata"
CTR = ("ctr", "--namespace", "k8s.io")


def stop(inits: Sequence[int], seconds: float) -> None:
    """Tell all containers of these nodes to end and wait at most `seconds`; the node's end kills the rest."""
    if not inits:
        return
    with ThreadPoolExecutor(len(inits)) as pool:
        list(pool.map(lambda init: _stop_on(init, seconds), inits))


def _stop_on(init: int, seconds: float) -> None:
    end = time.monotonic() + seconds
    signals = {name: found for name in _running(init) if (found := _signal(init, name))}
    for name, wanted in signals.items():
        _run(init, *CTR, "tasks", "kill", "--signal", wanted, name)
    while signals.keys() & _running(init) and time.monotonic() < end:
        time.sleep(0.2)


def _running(init: int) -> set[str]:
    lines = _run(init, *CTR, "tasks", "list").splitlines()[1:]
    return {columns[0] for line in lines if len(columns := line.split()) >= 3 and columns[2] == "RUNNING"}


def _signal(init: int, name: str) -> str:
    """The signal that ends this container; empty for what is no container of a pod, such as its sandbox."""
    try:
        return stop_signal(json.loads(_run(init, *CTR, "containers", "info", name)))
    except ValueError:
        return ""


def stop_signal(info: dict[str, Any]) -> str:
    """From what `ctr containers info` prints."""
    extension = (info.get("Extensions") or {}).get(METADATA)
    if not extension:
        return ""
    value = extension.get("value") or extension.get("Value")
    metadata = json.loads(base64.b64decode(value)) if isinstance(value, str) else value
    return str(metadata.get("Metadata", {}).get("StopSignal") or "SIGTERM")


def _run(init: int, *command: str) -> str:
    try:
        done = subprocess.run(inside(init, command), check=False, capture_output=True, text=True, timeout=15)
    except subprocess.TimeoutExpired:
        return ""
    return done.stdout
