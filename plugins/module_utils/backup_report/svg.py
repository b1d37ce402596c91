# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The backups as a timeline: what can be restored in green, what is missing in red. One file, no script, no font."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from xml.sax.saxutils import escape

from .axis import Axis
from .view import View, problems
from .words import moment, printable, segments, size, span

WIDTH, LEFT, RIGHT = 1200, 170, 1170
LANE, BAR = 34, 16
DAY = 86400.0
# Below this the whole time is as legible as its last day would be.
LONG = 2 * DAY
SENTENCES = 8

_STYLE = """
text{font:13px system-ui,sans-serif;fill:#222}
.page{fill:#fff}.title{font-size:18px;font-weight:600}.small{font-size:11px;fill:#555}.bad-text{fill:#b3261e}
.grid{stroke:#ddd}.lane{fill:#f5f6f8}.window{fill:#2e9d5b}.wal{fill:#7d97b8}.gap{fill:#d32f2f}
.base{fill:#5b4bb7}.dump{fill:#b7791f}.snapshot{fill:#c2477f}.passed{fill:#2e9d5b}.failed{fill:#d32f2f}
@media (prefers-color-scheme:dark){text{fill:#e6e6e6}.page{fill:#17191c}.small{fill:#a8adb5}.bad-text{fill:#ff8a80}
.grid{stroke:#3a3f46}.lane{fill:#202429}}
"""


@dataclass(frozen=True)
class Mark:
    """Something with a beginning and an end, a colour and what a person reads when pointing at it."""

    start: float
    end: float
    kind: str
    title: str


@dataclass(frozen=True)
class Lane:
    name: str
    marks: Sequence[Mark]


def drawing(view: View) -> str:
    """A complete SVG document."""
    lanes = list(_lanes(view))
    start, end = _range(view, lanes)
    ranges = [(f"All: {span(end - start)}", start, end)]
    if end - start > LONG:
        ranges.append(("The last 24 hours", end - DAY, end))
    body: list[str] = []
    top = 78.0
    for title, first, last in ranges:
        body += _panel(title, lanes, Axis(first, last, LEFT, RIGHT), top)
        top += len(lanes) * LANE + 76
    sentences = [*(f"{each.what}: {each.message}" for each in view.failures), *problems(view)]
    for sentence in sentences[:SENTENCES]:
        body.append(_text(20, top, sentence[:170], "bad-text"))
        top += 20
    if len(sentences) > SENTENCES:
        body.append(_text(20, top, f"... {len(sentences) - SENTENCES} more", "bad-text"))
        top += 20
    head = [_text(20, 34, f"Backups of {view.name}", "title"), _text(20, 56, _summary(view), "")]
    height = top + 10
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" width="{WIDTH}"'
            f' height="{height:.0f}" role="img">',
            f"<title>{_safe(f'Backups of {view.name} at {moment(view.taken)} UTC')}</title>",
            f"<style>{_STYLE}</style>",
            f'<rect class="page" width="{WIDTH}" height="{height:.0f}"/>',
            *head,
            *body,
            "</svg>\n",
        )
    )


def _summary(view: View) -> str:
    words = [f"{moment(view.taken)} UTC"]
    if view.windows:
        newest = view.windows[-1]
        words.append(f"any moment from {moment(newest.start)} to {moment(newest.end)} can be restored")
    else:
        words.append("no moment can be restored from base backups")
    if view.gaps:
        words.append(f"{len(view.gaps)} gap{'s' if len(view.gaps) != 1 else ''} in the WAL")
    return "  ·  ".join(words)


def _lanes(view: View) -> Iterator[Lane]:
    yield Lane(
        "restorable",
        [_mark(w.start, w.end, "window", f"timeline {w.timeline}, base {w.base}") for w in view.windows],
    )
    timelines = {run.timeline for run in view.runs} | {gap.timeline for gap in view.gaps}
    for timeline in sorted(timelines) or [1]:
        runs = [
            _mark(run.start, run.end, "wal", f"{segments(run.count)}, {size(run.size)}, {run.first} to {run.last}")
            for run in view.runs
            if run.timeline == timeline
        ]
        gaps = [
            _mark(gap.start, gap.end, "gap", f"{segments(gap.count)} missing, {gap.first} to {gap.last}")
            for gap in view.gaps
            if gap.timeline == timeline
        ]
        yield Lane(f"WAL, timeline {timeline}", [*runs, *gaps])
    for name, kind, items in (
        ("base backups", "base", view.bases),
        ("dumps", "dump", view.dumps),
        ("Redis snapshots", "snapshot", view.snapshots),
    ):
        yield Lane(name, [_mark(i.start, i.end, kind, f"{i.id}, {size(i.size)} {i.note}".strip()) for i in items])
    yield Lane(
        "test restores",
        [_mark(v.when, v.when, "passed" if v.ok else "failed", f"{v.id} {v.note}".strip()) for v in view.verifications],
    )


def _mark(start: datetime, end: datetime, kind: str, title: str) -> Mark:
    first, last = sorted((start.timestamp(), end.timestamp()))
    until = f" .. {moment(end)}" if end != start else ""
    return Mark(first, last, kind, f"{moment(start)}{until} UTC: {title}")


def _range(view: View, lanes: Iterable[Lane]) -> tuple[float, float]:
    """From the first mark to now, or to the last mark if a clock is wrong; never empty."""
    marks = [mark for lane in lanes for mark in lane.marks]
    now = view.taken.timestamp()
    end = max([now, *(mark.end for mark in marks)])
    return min([end - 3600, *(mark.start for mark in marks)]), end


def _panel(title: str, lanes: Sequence[Lane], axis: Axis, top: float) -> Iterator[str]:
    yield _text(20, top + 12, title, "")
    first = top + 22
    bottom = first + len(lanes) * LANE
    for number, lane in enumerate(lanes):
        y = first + number * LANE
        yield f'<rect class="lane" x="{LEFT}" y="{y + 4:.0f}" width="{RIGHT - LEFT}" height="{LANE - 8}" rx="3"/>'
        yield _text(20, y + LANE / 2 + 5, lane.name, "")
    for x, label in axis.ticks():
        yield f'<line class="grid" x1="{x}" x2="{x}" y1="{first:.0f}" y2="{bottom:.0f}"/>'
        yield _text(x, bottom + 16, label, "small", "middle")
    yield _text(20, bottom + 16, "times in UTC", "small")
    for number, lane in enumerate(lanes):
        yield from _shapes(lane, axis, first + number * LANE + LANE / 2)


def _shapes(lane: Lane, axis: Axis, middle: float) -> Iterator[str]:
    """Bars, ticks and dots; of those that would cover one another exactly only the first is drawn."""
    drawn = set()
    for mark in lane.marks:
        if not axis.shows(mark.start, mark.end):
            continue
        x, width = axis.at(mark.start), round(axis.at(mark.end) - axis.at(mark.start), 1)
        if (x, width, mark.kind) in drawn:
            continue
        drawn.add((x, width, mark.kind))
        yield f"<g><title>{_safe(mark.title)}</title>{_shape(mark.kind, x, width, middle)}</g>"


def _shape(kind: str, x: float, width: float, middle: float) -> str:
    if kind in ("passed", "failed"):
        return f'<circle class="{kind}" cx="{x}" cy="{middle}" r="6"/>'
    least = {"dump": 2.0, "snapshot": 1.5, "base": 4.0, "gap": 3.0}.get(kind, 1.0)
    wide = max(width, least)
    return f'<rect class="{kind}" x="{min(x, RIGHT - wide):.1f}" y="{middle - BAR / 2}" width="{wide:.1f}" height="{BAR}"/>'


def _text(x: float, y: float, words: str, style: str, anchor: str = "start") -> str:
    kind = f' class="{style}"' if style else ""
    return f'<text{kind} x="{x}" y="{y:.0f}" text-anchor="{anchor}">{_safe(words)}</text>'


def _safe(words: str) -> str:
    return escape(printable(words))
