"""What is read out of PostgreSQL's log about a recovery."""

from __future__ import annotations

import importlib
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
sys.path[:0] = [str(ROOT / "images/backup"), str(ROOT / "plugins/module_utils")]
recovered = importlib.import_module("jobs.recovered")
instance = importlib.import_module("jobs.instance")
branch = importlib.import_module("jobs.branch")

START = """2026-11-24 03:31:50.000 UTC [9] LOG:  starting archive recovery
2026-11-24 03:31:50.000 UTC [9] LOG:  restored log file "000000010000000000000006" from archive
2026-11-24 03:31:51.000 UTC [9] LOG:  consistent recovery state reached at 0/60004D0
2026-11-24 03:31:51.000 UTC [9] LOG:  restored log file "000000010000000000000007" from archive
"""
STOPPED = """2026-11-24 03:31:52.000 UTC [9] LOG:  recovery stopping before commit of transaction 847, time 2026-11-24 03:31:55.722781+00
"""
ENDED = """2026-11-24 03:31:52.000 UTC [9] LOG:  redo done at 0/7000130 system usage: CPU: user: 0.00 s
2026-11-24 03:31:52.000 UTC [9] LOG:  last completed transaction was at log time 2026-11-24 03:31:49.680881+00
2026-11-24 03:31:52.000 UTC [9] LOG:  selected new timeline ID: 2
2026-11-24 03:31:52.000 UTC [9] LOG:  archive recovery complete
"""
SEGMENT = 16 * 1024 * 1024


def moment(second: float) -> datetime:
    return datetime(2026, 11, 24, 3, 31, tzinfo=UTC).replace(second=int(second), microsecond=int(second % 1 * 1e6))


def test_a_recovery_that_stopped_at_its_target() -> None:
    replay = recovered.Replay.read(START + STOPPED + ENDED)
    assert (replay.timeline, replay.segments, replay.redo_done) == (2, 2, "0/7000130")
    assert replay.stopped.startswith("recovery stopping before commit of transaction 847")
    assert replay.last_commit == datetime(2026, 11, 24, 3, 31, 49, 680881, UTC)
    assert replay.problems("time", moment(52), 0) == []


@pytest.mark.parametrize(
    ("log", "kind", "target", "last_segment", "problem"),
    [
        (START + ENDED, "time", 52, 0, 'does not say "recovery stopping"'),
        (START + STOPPED + ENDED, "time", 40, 0, "after the target, was replayed"),
        (START + STOPPED + ENDED, "time", 57, 0, "before the target"),
        (START + STOPPED, "time", 52, 0, "names no new timeline"),
        (START + ENDED, "latest", None, 8 * SEGMENT, "before the last segment of the plan"),
        (START, "latest", None, 8 * SEGMENT, "ended at the beginning"),
    ],
)
def test_a_recovery_that_ended_elsewhere(
    log: str, kind: str, target: float | None, last_segment: int, problem: str
) -> None:
    found = recovered.Replay.read(log).problems(kind, moment(target) if target is not None else None, last_segment)
    assert problem in "; ".join(found)


def test_the_end_of_the_plan_is_reached() -> None:
    assert recovered.Replay.read(START + ENDED).problems("latest", None, 7 * SEGMENT) == []


def test_why_a_server_stopped() -> None:
    log = START + (
        "pgbackrest-archive-get: 000000010000000000000008 has another content than when it was archived.\n"
        "pgbackrest-archive-get: recovery stops here, so that nothing is lost silently.\n"
        "2026-11-24 03:31:52.000 UTC [9] FATAL:  could not restore file from archive: child process exited with 255\n"
    )
    words = instance.last_failure(log)
    assert words.startswith("could not restore file from archive: child process exited with 255; ")
    assert "has another content" in words
    assert instance.last_failure("") == "see its log on the volume"


@pytest.mark.parametrize(
    ("timeline", "used", "own"),
    [(1, [], True), (1, [1], False), (2, [1, 2], False), (3, [1, 2], True), (2, [1, 3], False)],
)
def test_whose_timeline_it_is(timeline: int, used: list[int], own: bool) -> None:
    assert branch.is_own(timeline, used) is own


@pytest.mark.parametrize(("limit", "buffers"), [("536870912\n", "128MB"), ("max\n", "128MB"), ("1048576\n", "16MB")])
def test_buffers_fit_the_container(tmp_path: Path, limit: str, buffers: str) -> None:
    (tmp_path / "memory.max").write_text(limit)
    assert instance.shared_buffers(tmp_path / "memory.max") == buffers
    assert instance.shared_buffers(tmp_path / "absent") == "128MB"
