# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a person needs to see about a workload that failed: conditions, containers, events, last log lines, without secrets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from . import events
from .client import Client
from .diagnosis import Finding, Snapshot, describe
from .errors import KubeError
from .kinds import WELL_KNOWN
from .mask import Masker
from .pod import container_names, container_states, failing_containers, final_message, logged_runs
from .workload import current_replica_set

MOST_EVENTS = 8
MOST_PODS = 2
# What the kubelet answers, with status 200, about a container that it has just removed.
NO_LOG = "unable to retrieve container logs for"
_GOOD_WHEN_FALSE = ("ReplicaFailure", "Failed", "FailureTarget")


@dataclass(frozen=True)
class Evidence:
    workload: str
    reason: str
    command: str
    conditions: list[str] = field(default_factory=list)
    containers: list[str] = field(default_factory=list)
    events: list[str] = field(default_factory=list)
    logs: dict[str, list[str]] = field(default_factory=dict)

    def lines(self) -> list[str]:
        """For the terminal."""
        found = [f"{self.workload}: {self.reason}"]
        for title, entries in (
            ("condition", self.conditions),
            ("container", self.containers),
            ("event", self.events),
        ):
            found += [f"  {title}: {entry}" for entry in entries]
        for title, entries in self.logs.items():
            found.append(f"  log of {title}:")
            found += [f"    | {entry}" for entry in entries]
        found.append(f"  more: {self.command}")
        return found


def masker(client: Client, namespace: str) -> Masker | None:
    """Hides the values of all Secrets of a namespace; None when they may not be read, and so cannot be hidden."""
    try:
        return Masker.of_secrets(client.list(WELL_KNOWN["v1", "Secret"], namespace))
    except KubeError:
        return None


def collect(
    client: Client, finding: Finding, snapshot: Snapshot, hide: Masker | None, log_lines: int, every_log: bool = False
) -> Evidence:
    """Evidence of one finding; log lines are left out when no Secret can be hidden in them.

    every_log: those of containers that seem to be well, too.
    """
    clean = hide or Masker()
    logs: dict[str, list[str]] = {}
    if hide is not None:
        for pod in finding.pods[:MOST_PODS]:
            names = container_names(pod) if every_log else failing_containers(pod)
            logs |= _logs(client, pod, names, clean, log_lines)
    uids = {finding.workload["metadata"]["uid"], *(pod["metadata"]["uid"] for pod in finding.pods)}
    made_by = current_replica_set(finding.workload, snapshot.replica_sets)
    if made_by is not None:
        uids.add(made_by["metadata"]["uid"])
    warnings = [event for event in events.about(snapshot.events, uids) if event.get("type") == "Warning"]
    reason = finding.reason
    last_words = _last_words(logs, finding) if hide is not None else ""
    if last_words:
        reason = f'{reason.rstrip(".")}; its last words: "{last_words}".'
    return Evidence(
        workload=describe(finding.workload),
        reason=clean.text(reason),
        command=finding.command,
        conditions=[clean.text(text) for text in _conditions(finding.workload)],
        containers=[
            clean.text(f"{pod['metadata']['name']}/{state}")
            for pod in finding.pods[:MOST_PODS]
            for state in container_states(pod)
        ],
        events=[clean.text(events.text(event)) for event in warnings[-MOST_EVENTS:]],
        logs=logs,
    )


def _logs(
    client: Client, pod: Mapping[str, Any], containers: Sequence[str], clean: Masker, lines: int
) -> dict[str, list[str]]:
    found = {}
    metadata = pod["metadata"]
    for container, previous, title in logged_runs(pod, containers):
        try:
            text = client.log(metadata["namespace"], metadata["name"], container, lines, previous)
        except KubeError:
            continue  # a container that has not started, or whose last run is no longer kept, has no log
        kept = clean.text(text).splitlines()[-lines:]
        if kept and not kept[0].startswith(NO_LOG):
            found[title] = kept
    return found


def _last_words(logs: Mapping[str, list[str]], finding: Finding) -> str:
    """The last line that a crashing container, or the pod of a failed Job, wrote."""
    if not finding.crashed_container and finding.workload["kind"] != "Job":
        return ""
    if message := next(filter(None, map(final_message, finding.pods)), ""):
        return message[:300]
    for title, lines in logs.items():
        if not finding.crashed_container or f"/{finding.crashed_container}" in title:
            words = next((line.strip() for line in reversed(lines) if line.strip()), "")
            if words:
                return words[:300]
    return ""


def _conditions(workload: Mapping[str, Any]) -> list[str]:
    found = []
    for condition in (workload.get("status") or {}).get("conditions") or []:
        if (condition.get("status") == "True") == (condition.get("type") in _GOOD_WHEN_FALSE):
            words = ": ".join(str(condition[name]) for name in ("reason", "message") if condition.get(name))
            found.append(f"{condition['type']}={condition['status']} {words}".strip())
    return found
