# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which revision a workload goes back to, and what has to be changed for it. Pure functions over plain objects.

The meaning is that of `kubectl rollout undo` and `kubectl rollout restart`:
https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#rolling-back-a-deployment
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from .errors import KubeError
from .manifests import describe
from .workload import is_owned

Object = Mapping[str, Any]

RESTARTED_AT = "kubectl.kubernetes.io/restartedAt"
_NUMBER, _FORMER_NUMBERS = "deployment.kubernetes.io/revision", "deployment.kubernetes.io/revision-history"
_HASH_LABEL = "pod-template-hash"
# What a Deployment says of itself and not of one of its revisions.
_NOT_OF_A_REVISION = frozenset(
    {
        _NUMBER,
        _FORMER_NUMBERS,
        "deployment.kubernetes.io/desired-replicas",
        "deployment.kubernetes.io/max-replicas",
        "deprecated.deployment.rollback.to",
        "kubectl.kubernetes.io/last-applied-configuration",
    }
)


@dataclass(frozen=True)
class Revision:
    """A pod template that a workload had.

    former: the numbers that it had before; a revision that is rolled out again gets a new one.
    annotations: those of the workload at that time (Deployments alone keep them).
    """

    number: int
    template: Object = field(repr=False)
    annotations: Object = field(default_factory=dict, repr=False)
    former: tuple[int, ...] = ()


def history(workload: Object, made: Iterable[Object]) -> list[Revision]:
    """Revisions of a workload, the newest first, out of ReplicaSets (Deployment) or ControllerRevisions (others)."""
    read = _of_replica_set if workload["kind"] == "Deployment" else _of_controller_revision
    found = [revision for item in made if is_owned(item, workload) and (revision := read(item))]
    return sorted(found, key=lambda revision: revision.number, reverse=True)


def choose(workload: Object, revisions: list[Revision], to_revision: int = 0) -> Revision:
    """The revision to go back to: the one of that number, or with 0 the newest that is not the present one.

    The present template counts, not the highest number: that of a change which Kubernetes has not seen yet is missing.
    """
    _refuse_paused(workload)
    if to_revision == 0:
        earlier = [revision for revision in revisions if not is_current(workload, revision)]
        if not earlier:
            raise KubeError(f"{describe(workload)} has no earlier revision to go back to.")
        return earlier[0]
    for revision in revisions:
        if to_revision in (revision.number, *revision.former):
            return revision
    known = ", ".join(str(revision.number) for revision in reversed(revisions)) or "none"
    raise KubeError(f"{describe(workload)} has no revision {to_revision}; there are: {known} ({_command(workload)}).")


def is_current(workload: Object, revision: Revision) -> bool:
    """Whether the workload's template is that of the revision already."""
    return _plain(workload["spec"]["template"]) == revision.template


def undo_fields(workload: Object, revision: Revision) -> dict[str, Any]:
    """The fields to replace, by JSON pointer. Nothing else is touched: the number of pods may be an autoscaler's."""
    fields: dict[str, Any] = {"/spec/template": dict(revision.template)}
    if workload["kind"] == "Deployment":
        own = workload["metadata"].get("annotations") or {}
        kept = {name: value for name, value in own.items() if name in _NOT_OF_A_REVISION}
        fields["/metadata/annotations"] = {**kept, **revision.annotations}
    return fields


def restart_change(workload: Object, now: datetime) -> dict[str, Any]:
    """The merge patch that makes Kubernetes replace all pods of a workload."""
    _refuse_paused(workload)
    moment = now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"spec": {"template": {"metadata": {"annotations": {RESTARTED_AT: moment}}}}}


def _of_replica_set(item: Object) -> Revision | None:
    annotations = item["metadata"].get("annotations") or {}
    if not str(annotations.get(_NUMBER, "")).isdecimal():
        return None
    former = str(annotations.get(_FORMER_NUMBERS, "")).split(",")
    return Revision(
        number=int(annotations[_NUMBER]),
        template=_plain(item["spec"]["template"]),
        annotations={name: value for name, value in annotations.items() if name not in _NOT_OF_A_REVISION},
        former=tuple(int(number) for number in former if number.isdecimal()),
    )


def _of_controller_revision(item: Object) -> Revision | None:
    template = ((item.get("data") or {}).get("spec") or {}).get("template")
    return Revision(int(item.get("revision") or 0), _plain(template)) if template else None


def _plain(template: Object) -> dict[str, Any]:
    """A pod template without what controllers add to tell their copies apart."""
    metadata = {key: value for key, value in (template.get("metadata") or {}).items() if value is not None}
    labels = {key: value for key, value in (metadata.get("labels") or {}).items() if key != _HASH_LABEL}
    rest = {key: value for key, value in template.items() if key not in ("$patch", "metadata")}
    return {"metadata": {**metadata, **({"labels": labels} if labels else {})}, **rest}


def _refuse_paused(workload: Object) -> None:
    if workload["kind"] == "Deployment" and workload["spec"].get("paused"):
        raise KubeError(f"{describe(workload)} is paused: run `{_command(workload, 'resume')}`, then run this again.")


def _command(workload: Object, verb: str = "history") -> str:
    metadata = workload["metadata"]
    return f"kubectl rollout {verb} {workload['kind'].lower()}/{metadata['name']} -n {metadata['namespace']}"
