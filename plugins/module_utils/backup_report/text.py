# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The backups as a table for the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from .view import Gap, Item, Run, View, problems
from .words import ago, moment, printable, segments, size, span

NEWEST = 5


def report(view: View) -> list[str]:
    """Lines: what can be restored first, then what it is made of, then what is wrong."""
    lines = [f"Backups of {view.name} at {moment(view.taken)} (all times in UTC)"]
    for title, rows in (
        ("Restorable moments (playbooks/pitr.yml)", _windows(view)),
        (_title("Base backups", view.bases), _items(view.bases, view, "took")),
        ("WAL", _wal(view)),
        (_title("Dumps (playbooks/restore.yml)", view.dumps), _items(view.dumps, view, "took")),
        (_title("Redis snapshots (playbooks/restore_redis.yml)", view.snapshots), _items(view.snapshots, view, "took")),
        ("Test restores (playbooks/verify_backups.yml)", _verifications(view)),
    ):
        lines += ["", title, *(f"  {line}" for line in _aligned(list(rows)))]
    for title, sentences in (("Failures", _failures(view)), ("Problems", problems(view))):
        if found := list(sentences):
            lines += ["", title, *(f"  {line}" for line in found)]
    return [printable(line) for line in lines]


def _title(name: str, items: Sequence[Item]) -> str:
    if not items:
        return name
    return f"{name}: {len(items)}, {size(sum(item.size for item in items))}"


def _windows(view: View) -> Iterator[Sequence[str]]:
    if not view.windows:
        yield ("none: there is no base backup with the WAL to complete it",)
    for window in reversed(view.windows):
        length = span((window.end - window.start).total_seconds())
        yield (
            f"{moment(window.start)} .. {moment(window.end)}",
            length,
            f"timeline {window.timeline}",
            f"base {window.base}",
        )


def _items(items: Sequence[Item], view: View, verb: str) -> Iterator[Sequence[str]]:
    if not items:
        yield ("none",)
    newest = list(reversed(items[-NEWEST:]))
    for item in newest:
        yield _item(item, view, verb)
    others = len(items) - len(newest) - 1
    if others > 0:
        yield (f"... {others} more",)
    if len(items) > len(newest):
        yield _item(items[0], view, verb)


def _item(item: Item, view: View, verb: str) -> Sequence[str]:
    took = f"{verb} {span((item.end - item.start).total_seconds())}"
    return (item.id, moment(item.start), ago(item.end, view.taken), took, size(item.size), item.note)


def _wal(view: View) -> Iterator[Sequence[str]]:
    if not view.runs:
        yield ("none",)
    found = [((run.timeline, run.first), _run(run, view)) for run in view.runs]
    found += [((gap.timeline, gap.first), _gap(gap)) for gap in view.gaps]
    yield from (row for _place, row in sorted(found, key=lambda each: each[0]))


def _run(run: Run, view: View) -> Sequence[str]:
    newest = f"newest {ago(run.end, view.taken)}"
    return (f"timeline {run.timeline}", f"{run.first} .. {run.last}", segments(run.count), size(run.size), newest)


def _gap(gap: Gap) -> Sequence[str]:
    return (f"timeline {gap.timeline}", f"{gap.first} .. {gap.last}", segments(gap.count), "MISSING", "")


def _verifications(view: View) -> Iterator[Sequence[str]]:
    if not view.verifications:
        yield ("none yet: run playbooks/verify_backups.yml",)
        return
    last = view.verifications[-1]
    good = next((each for each in reversed(view.verifications) if each.ok), None)
    for each in dict.fromkeys((last, good)):
        if each is not None:
            yield (
                "passed" if each.ok else "FAILED",
                moment(each.when),
                ago(each.when, view.taken),
                f"restored in {span(each.restore_seconds)}" if each.ok else "",
                f"data was {span(each.data_age_seconds)} old" if each.ok else "",
                each.note,
            )
    if good is None:
        yield ("none has passed",)


def _failures(view: View) -> Iterator[str]:
    for failure in view.failures:
        yield f"{failure.what}, {ago(failure.when, view.taken)} ({moment(failure.when)}): {failure.message}"


def _aligned(rows: list[Sequence[str]]) -> Iterator[str]:
    """Columns as wide as their longest cell; a row of one cell is a remark, and takes no part."""
    full = [row for row in rows if len(row) > 1]
    widths = [max(len(row[column]) for row in full) for column in range(len(full[0]))] if full else []
    for row in rows:
        if len(row) == 1:
            yield row[0]
        else:
            yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
