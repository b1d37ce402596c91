# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is wrong with a pod, as its object says it. Pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

Object = Mapping[str, Any]

# Words of registries and container runtimes: a second attempt changes nothing, or may well change something.
_PERMANENT = (
    "not found",
    "manifest unknown",
    "does not exist",
    "denied",
    "unauthorized",
    "authentication required",
    "invalid reference format",
    "no match for platform",
)
_PASSING = ("timeout", "timed out", "too many requests", "eof", "connection reset", "500", "502", "503", "504")


@dataclass(frozen=True)
class Trouble:
    """A state that does not pass by itself, once it has lasted as long as its `patience` says.

    patience: "none", "moment" (what the kubelet or a controller may mend at its next look) or "grace" (unschedulable_grace).
    container: the one whose log tells more; empty when there is none.
    """

    reason: str
    patience: str
    container: str = ""
    crashed: bool = False


def trouble(pod: Object) -> Trouble | None:
    """What keeps a pod from becoming ready, if it is more than time."""
    name = pod["metadata"]["name"]
    for container, status in _containers(pod):
        found = _container_trouble(name, container, status)
        if found:
            return found
    for condition in (pod.get("status") or {}).get("conditions") or []:
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            words = str(condition.get("message") or condition.get("reason") or "").strip().rstrip(".")
            return Trouble(f"Pod {name} finds no node: {words}.", "grace")
    return None


def is_ready(pod: Object) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or []
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def has_ended(pod: Object) -> bool:
    """Whether a pod is over, as one that was evicted: another takes its place."""
    return (pod.get("status") or {}).get("phase") in ("Failed", "Succeeded")


def all_succeeded(pod: Object) -> bool:
    """Whether every container of a pod that does not restart them ended with exit code 0."""
    ended = [(status.get("state") or {}).get("terminated") for status in _statuses(pod)]
    wanted = len(container_names(pod)) + len((pod.get("spec") or {}).get("initContainers") or [])
    return len(ended) == wanted > 0 and all(each and each.get("exitCode") == 0 for each in ended)


def claims_of(pod: Object) -> set[str]:
    """Names of the PersistentVolumeClaims that a pod mounts."""
    volumes = (pod.get("spec") or {}).get("volumes") or []
    return {each["persistentVolumeClaim"]["claimName"] for each in volumes if "persistentVolumeClaim" in each}


def started_after(pod: Object, moment: datetime, now: datetime) -> bool:
    """Whether a container of the pod runs since later than that; a start in the future is a clock that is wrong."""
    for status in _statuses(pod):
        started = ((status.get("state") or {}).get("running") or {}).get("startedAt")
        if started and moment < datetime.fromisoformat(started) <= now:
            return True
    return False


def doing(pod: Object) -> str:
    """What a pod that is not ready is about, in a few words."""
    if not (pod.get("spec") or {}).get("nodeName"):
        return "waits for a node"
    for container, status in _containers(pod):
        state = status.get("state") or {}
        if "waiting" in state:
            reason = state["waiting"].get("reason") or "waiting"
            # A pod that has steps of initialisation shows every later container as waiting for them.
            if reason not in ("PodInitializing", "ContainerCreating"):
                return f"{container}: {reason}"
            if reason == "ContainerCreating":
                return "starts its containers"
        elif container.startswith("init ") and "running" in state:
            return container
    if not _statuses(pod):
        return "starts its containers"
    return "runs, but is not ready yet"


def failing_containers(pod: Object) -> list[str]:
    """Containers whose log may tell why the pod is not ready."""
    found = []
    for label, status in _containers(pod):
        state, last = status.get("state") or {}, status.get("lastState") or {}
        ended = (state.get("terminated") or last.get("terminated") or {}).get("exitCode", 0) != 0
        running = "running" in state and (not status.get("ready") or label.startswith("init "))
        if ended or running or status.get("restartCount"):
            found.append(status["name"])
    return found


def container_names(pod: Object) -> list[str]:
    """Containers that run beside each other, without those of the initialisation."""
    return [container["name"] for container in (pod.get("spec") or {}).get("containers") or []]


def container_states(pod: Object) -> list[str]:
    """`api: running, not ready, 2 restarts, last exit code 1 (Error)` of each container."""
    return [f"{status['name']}: {_state(status)}" for status in _statuses(pod)]


def _state(status: Object) -> str:
    state, last = status.get("state") or {}, (status.get("lastState") or {}).get("terminated")
    name, details = next(iter(state.items())) if state else ("unknown", {})
    words = [_exit(details) if name == "terminated" else str(details.get("reason") or name)]
    if name == "running" and not status.get("ready"):
        words.append("not ready")
    if restarts := status.get("restartCount"):
        words.append(f"{restarts} restart{'s' if restarts > 1 else ''}")
    if last:
        words.append(f"last {_exit(last)}")
    return ", ".join(words)


def _exit(ended: Object) -> str:
    reason = f" ({ended['reason']})" if ended.get("reason") else ""
    return f"exit code {ended.get('exitCode')}{reason}"


def final_message(pod: Object) -> str:
    """What a container that failed left as its termination message; a log may mix its last lines."""
    for status in _statuses(pod):
        ended = (status.get("state") or {}).get("terminated") or {}
        if ended.get("exitCode") != 0 and ended.get("message"):
            return str(ended["message"]).strip()
    return ""


def _has_previous(pod: Object, container: str) -> bool:
    """Whether a container ran before: then the log of that run is the one that tells why it ended."""
    return any(item["name"] == container and item.get("restartCount") for item in _statuses(pod))


def logged_runs(pod: Object, containers: Iterable[str]) -> Iterator[tuple[str, bool, str]]:
    """Container, whether it is its run before, and a title: each run of these containers that may have a log, oldest first."""
    for container in containers:
        for previous in (True, False) if _has_previous(pod, container) else (False,):
            yield container, previous, f"{pod['metadata']['name']}/{container}{' (previous run)' if previous else ''}"


def _statuses(pod: Object) -> list[Object]:
    status = pod.get("status") or {}
    return [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]


def _containers(pod: Object) -> Iterator[tuple[str, Object]]:
    """Containers that have not done their part yet, each with how to call it."""
    status = pod.get("status") or {}
    for item in status.get("initContainerStatuses") or []:
        ended = (item.get("state") or {}).get("terminated")
        is_sidecar = bool(item.get("started")) and "running" in (item.get("state") or {}) and item.get("ready")
        if not is_sidecar and not (ended and ended.get("exitCode") == 0):
            yield f"init {item['name']}", item
    for item in status.get("containerStatuses") or []:
        yield item["name"], item


def _container_trouble(pod: str, label: str, status: Object) -> Trouble | None:
    waiting = (status.get("state") or {}).get("waiting") or {}
    words = str(waiting.get("message") or "").strip().rstrip(".")
    container = str(status["name"])
    match waiting.get("reason"):
        case "ErrImagePull" | "ImagePullBackOff":
            text = f"Pod {pod} cannot pull the image {status.get('image')}: {_pull_words(words)}."
            return Trouble(text, _pull_patience(words.lower()))
        case "InvalidImageName":
            return Trouble(f"Pod {pod} names an image that cannot be one: {status.get('image')} ({words}).", "none")
        case "ErrImageNeverPull":
            return Trouble(
                f"Pod {pod} needs the image {status.get('image')}, which the node does not have and"
                " imagePullPolicy Never forbids to pull.",
                "none",
            )
        case "CreateContainerConfigError" | "CreateContainerError" | "RunContainerError" | "PreCreateHookError":
            return Trouble(f"Pod {pod} cannot start its container {label}: {words}.", "moment", container)
        case "CrashLoopBackOff":
            return _crash(pod, label, status) if status.get("restartCount", 0) >= 1 else None
    ended = (status.get("state") or {}).get("terminated")
    if ended and ended.get("exitCode") != 0 and status.get("restartCount", 0) >= 2:
        return _crash(pod, label, status)
    return None


def _crash(pod: str, label: str, status: Object) -> Trouble:
    state, last = status.get("state") or {}, status.get("lastState") or {}
    ended = state.get("terminated") or last.get("terminated") or {}
    if ended.get("reason") == "OOMKilled":
        how = "it needs more memory than its limit (OOMKilled)"
    elif ended.get("message"):
        how = f"{str(ended['message']).strip().rstrip('.')} (exit code {ended.get('exitCode')})"
    else:
        how = f"exit code {ended.get('exitCode', 'unknown')}"
    return Trouble(
        f"Pod {pod}: its container {label} crashes again and again: {how}.", "none", str(status["name"]), crashed=True
    )


def _pull_patience(words: str) -> str:
    if any(word in words for word in _PERMANENT):
        return "none"
    return "grace" if any(word in words for word in _PASSING) else "moment"


def _pull_words(words: str) -> str:
    """The cause inside `Back-off pulling image "x": ErrImagePull: failed to pull ...`, without the repetitions."""
    for marker in ("ErrImagePull: ", "rpc error: code = ", "desc = "):
        words = words.rpartition(marker)[2]
    return words.strip() or "no reason given"
