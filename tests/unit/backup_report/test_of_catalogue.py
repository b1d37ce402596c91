"""What is shown of whole lives of a database, as the tests of the catalogue and of retention make them."""

from __future__ import annotations

from xml.etree import ElementTree

from ansible_collections.hustlex.platform.plugins.module_utils.backup_report.from_catalogue import view_of
from ansible_collections.hustlex.platform.plugins.module_utils.backup_report.plan_text import inventory, plan_lines
from ansible_collections.hustlex.platform.plugins.module_utils.backup_report.svg import drawing
from ansible_collections.hustlex.platform.plugins.module_utils.backup_report.text import report
from backup.policy import Policy
from backup.retention import plan
from hypothesis import HealthCheck, given, settings

from ..backup.histories import histories
from ..backup.repository import WAL, Repository, day

LIVES = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def twenty_days() -> Repository:
    repository = Repository()
    repository.row(1, 1, 200, day(0), day(20))
    for number in range(20):
        repository.base(day(number + 0.5), 10 * number + 5)
        repository.dump(day(number + 0.5))
        repository.dump(day(number + 0.5), kind="redis")
    return repository


@LIVES
@given(histories())
def test_every_life_can_be_shown_and_nothing_is_left_out(life: tuple[Repository, float]) -> None:
    repository, now = life
    catalogue = repository.catalogue(day(now))
    view = view_of(catalogue, "test")
    ElementTree.fromstring(drawing(view))
    assert len(view.windows) == len(catalogue.windows)
    assert len(view.bases) == len(catalogue.bases)
    assert [gap.count for gap in view.gaps] == [gap.count for gap in catalogue.gaps]
    usable = sum(last - first + 1 for each in catalogue.archive.timelines.values() for first, last in each.runs)
    assert sum(run.count for run in view.runs) == usable
    assert all(run.start <= run.end and run.size >= 0 for run in view.runs)
    assert all(gap.start <= gap.end for gap in view.gaps)
    assert "Restorable moments" in "\n".join(report(view))


@LIVES
@given(histories())
def test_every_plan_can_be_shown(life: tuple[Repository, float]) -> None:
    repository, now = life
    made = plan(repository.catalogue(day(now)), Policy(window_days=1, cap="100%"), day(now))
    lines = plan_lines(made, "test")
    assert lines[-1] == f"  digest {made.digest()}"
    going = [one.id for kind in ("base", "dump", "redis") for one in made.deletes(kind)]
    before, after = inventory(made, False), inventory(made, True)
    assert all(name in before and f" {name}\n" not in after for name in going)


def test_a_gap_is_shown_between_its_neighbours() -> None:
    repository = twenty_days()
    for key in [key for key in repository.objects if key.startswith(WAL) and "0000000000000065-" in key]:
        del repository.objects[key]
    view = view_of(repository.catalogue(day(20)), "test")
    (gap,) = view.gaps
    assert (gap.count, gap.first) == (1, gap.last)
    assert day(9.9) <= gap.start < gap.end <= day(10.3)
    assert [run.count for run in view.runs] == [100, 99]


def test_a_plan_in_words() -> None:
    lines = plan_lines(plan(twenty_days().catalogue(day(20)), Policy(cap="20%"), day(20)), "test")
    assert lines[0] == "Retention of test at 2026-11-21 00:00:00 UTC: the window begins at 2026-11-14 00:00:00"
    assert lines[1].startswith("  base backups: delete 12 (")
    assert lines[1].endswith("keep 8, the window stands on 20261113-120000F")
    assert sum(line.startswith("    delete 202611") for line in lines) == 12 + 12
    assert any(line.startswith("    delete 1 more") for line in lines)
    assert any(line.startswith("  WAL: delete 124 segments of timeline 1") for line in lines)
    assert any("more than the cap of 20%" in line for line in lines if line.startswith("  to be confirmed: "))


def test_reports_of_unknown_jobs_are_left_out_or_shown_as_they_are() -> None:
    repository = twenty_days()
    repository.put("verifications/20261120T000000Z.json", '{"started": "yesterday", "ok": true}', day(19))
    repository.put("verifications/20261119T000000Z.json", '{"started": "2026-11-19T00:00:00Z", "ok": true}', day(18))
    repository.put("failures/dump.json", '{"message": null}', day(18))
    view = view_of(repository.catalogue(day(20)), "test")
    assert [each.id for each in view.verifications] == ["20261119T000000Z"]
    assert [(each.what, each.message) for each in view.failures] == [("dump", "unknown")]
