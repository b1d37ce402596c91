# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A retention plan as people read it before they let it happen."""

from __future__ import annotations

from collections.abc import Iterator

from ..backup.retention import RetentionPlan
from ..backup.retention_bases import Decision
from .words import moment, printable, segments, size

KINDS = {"base": "base backups", "dump": "dumps", "redis": "Redis snapshots"}
# What is deleted is listed up to here; the diff and the return values have all of it.
MOST = 12


def plan_lines(plan: RetentionPlan, name: str) -> list[str]:
    """What goes, what stays and why; what keeps anything from being deleted."""
    lines = [f"Retention of {name} at {moment(plan.at)} UTC: the window begins at {moment(plan.cutoff)}"]
    for kind, title in KINDS.items():
        lines += _kind(plan, kind, title)
    lines += _wal(plan)
    lines += _uploads(plan)
    lines += [f"  refused: {sentence}" for sentence in plan.refusals]
    lines += [f"  to be confirmed: {sentence}" for sentence in plan.confirmations]
    lines += [f"  warning: {sentence}" for sentence in plan.warnings]
    return [printable(line) for line in [*lines, f"  digest {plan.digest()}"]]


def inventory(plan: RetentionPlan, after: bool) -> str:
    """Everything that is there before or after the plan, one a line, for a diff."""
    lines = [
        f"{KINDS[one.kind]} {one.id}"
        for kind in KINDS
        for one in sorted((*plan.keeps(kind), *(() if after else plan.deletes(kind))), key=lambda each: each.id)
    ]
    if not after:
        lines += [f"WAL {each.first} to {each.last} ({segments(each.objects)})" for each in plan.wal_deletes]
        lines += [f"upload of {each.key}, begun {moment(each.started)}" for each in plan.aborts]
    return "".join(f"{printable(line)}\n" for line in lines)


def _kind(plan: RetentionPlan, kind: str, title: str) -> Iterator[str]:
    going, staying = plan.deletes(kind), plan.keeps(kind)
    what = f"delete {len(going)} ({size(sum(one.size for one in going))}), " if going else ""
    yield f"  {title}: {what}keep {len(staying)}{_anchor(plan) if kind == 'base' else ''}"
    for one in going[:MOST]:
        yield f"    delete {_described(one)}"
    if len(going) > MOST:
        yield f"    delete {len(going) - MOST} more"


def _anchor(plan: RetentionPlan) -> str:
    return f", the window stands on {plan.anchor}" if plan.anchor else ""


def _described(one: Decision) -> str:
    return f"{one.id}  {size(one.size)}  {one.reason}"


def _wal(plan: RetentionPlan) -> Iterator[str]:
    if not plan.wal_deletes:
        yield "  WAL: keep all"
    for each in plan.wal_deletes:
        count = segments(each.objects)
        yield f"  WAL: delete {count} of timeline {each.timeline} ({size(each.bytes)}), {each.first} to {each.last}"


def _uploads(plan: RetentionPlan) -> Iterator[str]:
    if plan.aborts:
        yield f"  uploads that were never completed: abort {len(plan.aborts)}"
    for each in plan.aborts[:MOST]:
        yield f"    abort {each.key}, begun {moment(each.started)}"
