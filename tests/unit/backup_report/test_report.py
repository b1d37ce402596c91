"""The report that people read: its words, and that every catalogue can be drawn."""

from __future__ import annotations

import itertools
import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from xml.etree import ElementTree

import pytest
from ansible_collections.hustlex.platform.plugins.module_utils.backup_report.axis import MOST_LABELS, Axis
from ansible_collections.hustlex.platform.plugins.module_utils.backup_report.svg import drawing
from ansible_collections.hustlex.platform.plugins.module_utils.backup_report.text import report
from ansible_collections.hustlex.platform.plugins.module_utils.backup_report.view import (
    Failure,
    Gap,
    Item,
    Run,
    Verification,
    View,
    Window,
)
from ansible_collections.hustlex.platform.plugins.module_utils.backup_report.words import ago, printable, size, span
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))

from samples import NOW, week

MOMENTS = st.datetimes(timezones=st.just(UTC))
COUNTS = st.integers(0, 2**60)
TEXTS = st.text(max_size=30)
TIMELINES = st.integers(1, 3)
ITEMS = st.lists(st.builds(Item, TEXTS, MOMENTS, MOMENTS, COUNTS, TEXTS), max_size=9)
VIEWS = st.builds(
    View,
    name=TEXTS,
    taken=MOMENTS,
    windows=st.lists(st.builds(Window, MOMENTS, MOMENTS, TIMELINES, TEXTS), max_size=3),
    bases=ITEMS,
    runs=st.lists(st.builds(Run, TIMELINES, TEXTS, TEXTS, COUNTS, COUNTS, MOMENTS, MOMENTS), max_size=4),
    gaps=st.lists(st.builds(Gap, TIMELINES, TEXTS, TEXTS, COUNTS, MOMENTS, MOMENTS), max_size=4),
    dumps=ITEMS,
    snapshots=ITEMS,
    verifications=st.lists(st.builds(Verification, TEXTS, MOMENTS, st.booleans(), note=TEXTS), max_size=4),
    failures=st.lists(st.builds(Failure, TEXTS, MOMENTS, TEXTS), max_size=12),
    problems=st.lists(TEXTS, max_size=4),
)


@settings(deadline=None)
@given(VIEWS)
def test_every_catalogue_can_be_shown(view: View) -> None:
    root = ElementTree.fromstring(drawing(view))
    width, height = (float(root.get(name) or 0) for name in ("width", "height"))
    for shape in root.iter("{http://www.w3.org/2000/svg}rect"):
        assert 0 <= float(shape.get("x", 0)) <= width
        assert 0 <= float(shape.get("y", 0)) <= height
    assert all(printable(line) == line for line in report(view))
    assert json.loads(json.dumps(view.to_dict()))["taken"].endswith("Z")


def test_an_empty_catalogue_says_what_to_do() -> None:
    lines = report(View("development", NOW))
    assert lines[0] == "Backups of development at 2026-11-24 03:00:05 (all times in UTC)"
    assert "  none: there is no base backup with the WAL to complete it" in lines
    assert "  none yet: run playbooks/verify_backups.yml" in lines
    assert "Problems" not in lines
    assert "no moment can be restored" in drawing(View("development", NOW))


def test_a_week_in_words() -> None:
    lines = report(week())
    assert "  2026-11-22 02:02:05 .. 2026-11-24 02:59:31  2 d       timeline 2  base 20261122-020003F" in lines
    assert "Dumps (playbooks/restore.yml): 720, 633 GiB" in lines
    assert "  ... 714 more" in lines
    assert any("2 segments     MISSING" in line for line in lines)
    assert any(line.startswith("  WAL of timeline 1 lacks 2 segments") for line in lines)
    assert any(line.startswith("  passed  2026-11-22 04:00:05") and "restored in 13 min 32 s" in line for line in lines)
    assert len(lines) < 60, "it fits on a screen, however much there is"


def test_a_test_restore_that_failed_has_its_reason_and_no_times() -> None:
    failed = Verification("20261124T020000Z", NOW, False, 0, 0, "WAL segment 000000010000000000000003 is missing.")
    (line,) = [line for line in report(View("development", NOW, verifications=[failed])) if "FAILED" in line]
    assert "restored in" not in line
    assert line.endswith("0000000000000003 is missing.")


def test_a_week_drawn() -> None:
    text = drawing(week())
    for words in ("WAL, timeline 2", "The last 24 hours", "2 segments missing", ">times in UTC<", "1 gap in the WAL"):
        assert words in text
    assert len(text) < 300_000


@pytest.mark.parametrize("seconds", [1, 3600, 90_000, 7 * 86400, 30 * 86400, 400 * 86400, 7000 * 365 * 86400])
def test_labels_are_few_and_apart(seconds: int) -> None:
    ticks = list(Axis(0.0, float(seconds), 100, 1100).ticks())
    assert len(ticks) <= MOST_LABELS
    places = [place for place, _label in ticks]
    assert all(later - earlier >= 50 for earlier, later in itertools.pairwise(places))


def test_the_day_is_told_when_it_changes() -> None:
    start = datetime(2026, 11, 23, 21, 0, tzinfo=UTC).timestamp()
    labels = [label for _place, label in Axis(start, start + 12 * 3600, 0, 1000).ticks()]
    assert labels[:4] == ["Nov 23 22:00", "23:00", "Nov 24 00:00", "01:00"]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-5, "0 s"),
        (41.4, "41 s"),
        (60, "1 min"),
        (200, "3 min 20 s"),
        (3600, "1 h"),
        (89_880, "24 h 58 min"),
        (172_800, "2 d"),
        (601_200, "6 d 23 h"),
    ],
)
def test_spans(seconds: float, words: str) -> None:
    assert span(seconds) == words


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1536, "1.5 KiB"),
        (900 << 20, "900 MiB"),
        (3 << 40, "3.0 TiB"),
        (1 << 60, "1048576 TiB"),
    ],
)
def test_sizes(count: int, words: str) -> None:
    assert size(count) == words


def test_a_clock_that_is_wrong() -> None:
    assert ago(NOW + timedelta(minutes=5), NOW) == "in 5 min"
