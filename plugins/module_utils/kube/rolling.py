# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Starts rollouts of what is there already: pods anew, or an earlier revision again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from .apply import Change
from .client import Client
from .compare import same_content
from .errors import ApiError, KubeError
from .kinds import WELL_KNOWN, Kind
from .manifests import describe
from .refusal import explain
from .revisions import choose, history, is_current, restart_change, undo_fields

_REPLICA_SETS = WELL_KNOWN["apps/v1", "ReplicaSet"]
_CONTROLLER_REVISIONS = Kind("apps/v1", "ControllerRevision", "controllerrevisions", True)
_ROLLING = ("DaemonSet", "Deployment", "StatefulSet")

Workload = Mapping[str, Any]


@dataclass(frozen=True)
class Order:
    """A request about one workload; words: what it does, and what it would do in a dry run."""

    workload: Workload
    words: tuple[str, str]
    send: Callable[[], Mapping[str, Any]]


@dataclass(frozen=True)
class Rolled:
    change: Change
    words: str


def restart(client: Client, workloads: Iterable[Workload], now: datetime, dry_run: bool = False) -> list[Rolled]:
    """Replace all pods of the workloads, as `kubectl rollout restart` does; Jobs have none to replace."""
    orders = [_restart(client, each, now, dry_run) for each in workloads if each["kind"] in _ROLLING]
    return _carried_out(orders, dry_run)


def undo(client: Client, workloads: Iterable[Workload], to_revision: int, dry_run: bool = False) -> list[Rolled]:
    """Bring earlier templates back, as `kubectl rollout undo` does. Nothing is changed when one workload cannot."""
    orders = [_undo(client, each, to_revision, dry_run) for each in workloads if each["kind"] in _ROLLING]
    return _carried_out(orders, dry_run)


def _restart(client: Client, workload: Workload, now: datetime, dry_run: bool) -> Order:
    change = restart_change(workload, now)
    namespace, name = workload["metadata"]["namespace"], workload["metadata"]["name"]
    return Order(
        workload,
        ("restarts", "would restart"),
        lambda: client.merge(_kind(workload), namespace, name, change, dry_run),
    )


def _undo(client: Client, workload: Workload, to_revision: int, dry_run: bool) -> Order:
    namespace, name = workload["metadata"]["namespace"], workload["metadata"]["name"]
    made_by = _REPLICA_SETS if workload["kind"] == "Deployment" else _CONTROLLER_REVISIONS
    revision = choose(workload, history(workload, client.list(made_by, namespace)), to_revision)
    if is_current(workload, revision):
        words = f"is of revision {revision.number} already"
        return Order(workload, (words, words), lambda: workload)
    fields = undo_fields(workload, revision)
    return Order(
        workload,
        (f"goes back to revision {revision.number}", f"would go back to revision {revision.number}"),
        lambda: client.replace(_kind(workload), namespace, name, fields, dry_run),
    )


def _carried_out(orders: Iterable[Order], dry_run: bool) -> list[Rolled]:
    done: list[Rolled] = []
    for order in orders:
        workload = order.workload
        try:
            after = order.send()
        except ApiError as error:
            before = [each.words for each in done if each.change.changes_something]
            told = f" Before that: {'; '.join(before)}." if before else ""
            raise KubeError(f"{explain(error, dict(workload), None)}{told}") from error
        action = "unchanged" if same_content(workload, after) else "configured"
        change = Change(action, workload["kind"], workload["metadata"]["name"], workload, after)
        done.append(Rolled(change, f"{describe(workload)} {order.words[dry_run]}"))
    if not done:
        raise KubeError("Nothing to do: none of these is a Deployment, a StatefulSet or a DaemonSet.")
    return done


def _kind(workload: Workload) -> Kind:
    return WELL_KNOWN["apps/v1", workload["kind"]]
