"""What goes and what stays, case by case; the invariants are in test_invariants.py."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from backup.catalogue import STATE
from backup.errors import BackupError, RefusedError
from backup.policy import Keep, Policy
from backup.removal import apply_plan
from backup.retention import RetentionPlan, counts, plan

from .repository import WAL, Repository, day

NOW = day(20)
POLICY = Policy(cap="100%")


def twenty_days() -> Repository:
    """A base each day (segments 5, 15, ... 195), ten segments, a dump and a snapshot each day."""
    repository = Repository()
    repository.row(1, 1, 200, day(0), day(20))
    for number in range(20):
        repository.base(day(number + 0.5), 10 * number + 5)
        repository.dump(day(number + 0.5))
        repository.dump(day(number + 0.5), kind="redis")
    return repository


def planned(repository: Repository, policy: Policy = POLICY) -> RetentionPlan:
    return plan(repository.catalogue(NOW), policy, NOW)


def going(found: RetentionPlan, kind: str = "base") -> list[str]:
    return [one.id for one in found.deletes(kind)]


def test_everything_before_the_anchor_goes_and_nothing_else() -> None:
    found = planned(twenty_days())
    assert found.refusals == ()
    assert found.anchor == "20261113-120000F"  # day 12.5, the newest that ended before day 13
    assert len(going(found)) == 12
    assert max(going(found)) == "20261112-120000F"
    (wal,) = found.wal_deletes
    assert (wal.first, wal.last, wal.objects) == ("000000010000000000000001", "00000001000000000000007C", 124)
    assert found.wal_start == "00000001000000000000007D"
    assert found.fulls == 8
    assert len(going(found, "redis")) == 13
    assert going(found, "dump") == []


def test_the_plan_survives_being_written() -> None:
    found = planned(twenty_days())
    again = RetentionPlan.from_dict(json.loads(found.to_json()))
    assert again == found
    assert again.digest() == found.digest()


def test_the_digest_is_of_what_goes() -> None:
    repository = twenty_days()
    first = planned(repository)
    repository.dump(day(19.9))
    assert planned(repository).digest() == first.digest()
    repository.dump(day(1.1), kind="redis")
    assert planned(repository).digest() != first.digest()


def test_a_base_that_ended_in_the_very_second_of_the_cutoff_is_no_anchor() -> None:
    repository = Repository()
    repository.row(1, 1, 200, day(0), day(20))
    repository.base(day(5), 50)
    repository.base(day(13) - timedelta(minutes=10), 130)
    repository.base(day(18), 180)
    assert planned(repository).anchor == "20261106-000000F"


def test_a_young_repository_keeps_everything() -> None:
    repository = Repository()
    repository.row(1, 1, 200, day(14), day(20))
    for number in range(14, 20):
        repository.base(day(number + 0.1), (number - 14) * 30 + 3)
    found = planned(repository)
    assert (found.anchor, found.refusals, going(found), found.wal_deletes) == ("", (), [], ())


def test_pinned_and_minimum_and_references_stay() -> None:
    repository = twenty_days()
    pinned = repository.base(day(2.1), 21, pinned=True)
    increment = repository.base(day(3.2), 32, prior="20261104-120000F", pinned=True)
    found = planned(repository, replace(POLICY, minimum_bases=12))
    kept = {one.id: one.reason for one in found.decisions if one.kind == "base" and one.keep}
    assert kept[pinned] == kept[increment] == "pinned"
    assert kept["20261104-120000F"] == f"{increment} builds on it"
    assert sum(reason == "among the newest 12" for reason in kept.values()) == 4
    assert found.wal_start == "000000010000000000000015"


def test_the_only_good_base_stays_however_old() -> None:
    repository = Repository()
    repository.row(1, 1, 200, day(0), day(20))
    label = repository.base(day(1), 10)
    repository.base(day(3), 30, error=True)
    found = planned(repository)
    assert (found.anchor, going(found)) == (label, ["20261104-000000F"])
    assert [one.id for one in found.keeps("base")] == [label]


def test_dumps_go_by_age_minimum_and_pin() -> None:
    repository = Repository()
    for number in range(20):
        repository.dump(day(number), pinned=number == 3)
    found = planned(repository, Policy(dumps=Keep(days=5, minimum=8), cap="100%"))
    kept = [one.id for one in found.keeps("dump")]
    assert len(kept) == 9
    assert kept[0] == "20261104T000000Z"


def test_unfinished_dumps_go_when_nobody_can_be_writing_them() -> None:
    repository = Repository()
    old, young = repository.dump(day(17.9), complete=False), repository.dump(day(19), complete=False)
    found = planned(repository)
    assert going(found, "dump") == [old]
    assert found.keeps("dump")[0].id == young


def test_grandfather_father_son() -> None:
    repository = Repository()
    for number in range(20 * 4):
        repository.dump(day(number / 4))
    rule = Keep(days=1, minimum=1, daily=4, weekly=3, monthly=2)
    kept = {one.id: one.reason for one in planned(repository, replace(POLICY, dumps=rule)).keeps("dump")}
    assert [name[:8] for name, reason in kept.items() if reason == "newest of its day"] == [
        "20261117",
        "20261118",
        "20261119",
    ]
    assert [name for name, reason in kept.items() if reason == "newest of its week"] == [
        "20261108T180000Z",
        "20261115T180000Z",
    ]


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        (lambda r: r.objects.pop(r.segment(1, 150, day(15))), "000000010000000000000096 is missing"),
        (lambda r: r.segment(1, 150, day(15), b""), "000000010000000000000096 is missing, empty"),
        (lambda r: r.segment(1, 150, day(15), sha1="0" * 40), "there twice with other content"),
        (lambda r: setattr(r, "skew", 301.0), "301 s behind the store's"),
        (lambda r: setattr(r, "skew", -301.0), "301 s ahead of the store's"),
        (lambda r: r.base(day(20.1), 200), "is in the future"),
        (lambda r: r.dump(day(20.1)), "is in the future"),
        (lambda r: r.put(f"{WAL}15-1/00000002.history", "nonsense", day(1)), "00000002.history is not readable"),
        (lambda r: r.row(2, 150, 160, day(15), day(16)), "00000002.history is missing"),
        (lambda r: r.objects.pop("postgres/pgbackrest/backup/main/20261110-120000F/backup.manifest"), "no manifest"),
        (lambda r: [r.objects.pop(key) for key in list(r.objects) if "/backup.info" in key], "backup.info is missing"),
    ],
)
def test_in_doubt_nothing_is_deleted(fault: Callable[[Repository], object], sentence: str) -> None:
    repository = twenty_days()
    fault(repository)
    found = planned(repository)
    assert sentence in " ".join(found.refusals)
    assert not found.changes
    assert found.digest() == plan(Repository().catalogue(NOW), POLICY, NOW).digest()


def test_a_set_that_pgbackrest_will_list_again_is_left_alone() -> None:
    repository = twenty_days()
    del repository.sets["20261110-120000F"]
    repository.write_info()
    found = planned(repository)
    assert "20261110-120000F has a manifest but is not in backup.info" in found.warnings[0]
    assert "20261110-120000F" not in {one.id for one in found.decisions}


def test_a_gap_before_the_anchor_does_not_matter() -> None:
    repository = twenty_days()
    repository.objects.pop(repository.segment(1, 30, day(3)))
    assert planned(repository).refusals == ()


def test_when_only_broken_bases_are_old_enough_nothing_is_deleted() -> None:
    repository = Repository()
    repository.row(1, 1, 200, day(0), day(20))
    repository.base(day(5), 50, error=True)
    repository.base(day(18), 180)
    assert "No base backup from before the recovery window" in planned(repository).refusals[0]


def test_when_no_base_can_be_restored_nothing_is_deleted() -> None:
    repository = Repository()
    repository.row(1, 1, 200, day(0), day(20))
    repository.base(day(5), 50, error=True)
    repository.dump(day(1), kind="redis")
    assert planned(repository).refusals == ("There are base backups, but none can be restored.",)


@pytest.mark.parametrize(
    ("cap", "asks"),
    [("20%", True), ("59%", True), ("60%", True), ("65%", False), ("12", True), ("13", False), ("100%", False)],
)
def test_more_than_the_cap_needs_a_person(cap: str, asks: bool) -> None:
    found = planned(twenty_days(), replace(POLICY, cap=cap))
    assert bool(found.confirmations) == asks


def test_one_deletion_is_always_allowed() -> None:
    assert [Policy(cap="20%").allowed(number) for number in (0, 1, 3, 5, 6, 100)] == [1, 1, 1, 1, 2, 20]


def test_a_listing_that_lost_its_objects_needs_a_person() -> None:
    repository = twenty_days()
    state = {"counts": counts(repository.catalogue(NOW))}
    for key in sorted(key for key in repository.objects if key.startswith("redis/"))[4:]:
        del repository.objects[key]
    repository.put("retention/state.json", json.dumps(state), day(19))
    found = planned(repository)
    assert found.refusals == ()
    assert found.confirmations == ("The last run left 20 snapshots, now there are 2. Find out who deleted them.",)


@pytest.mark.parametrize("prefix", ["redis/", "postgres/dumps/", "postgres/pgbackrest/", ""])
def test_an_empty_listing_is_refused_and_no_confirmation_lifts_it(prefix: str) -> None:
    repository = twenty_days()
    state = {"counts": counts(repository.catalogue(NOW))}
    for key in [key for key in repository.objects if key.startswith(prefix)]:
        del repository.objects[key]
    repository.put(STATE, json.dumps(state), day(19))
    found = planned(repository)
    assert "now there are none" in found.refusals[0]
    assert not found.changes
    with pytest.raises(RefusedError, match=r"delete retention/state\.json"):
        apply_plan(repository, found, repository.pgbackrest, lambda: repository.catalogue(NOW), confirm=True)
    del repository.objects[STATE]
    assert planned(repository).refusals == ()


def pitr(at: float, start: int, end: int, last: int) -> Repository:
    """Timeline 1 up to segment 120 on day 12, then timeline 2 from segment C(start) on."""
    repository = Repository()
    repository.row(1, 1, 120, day(0), day(12))
    repository.history(2, (1, f"0/{start:02X}000100"), at=day(at))
    repository.row(2, start, last, day(at), day(20))
    for number in range(12):
        repository.base(day(number + 0.5), 10 * number + 5)
    for number in range(int(at), end):
        repository.base(day(number + 0.6), start + (number - int(at)) * 10 + 5, timeline=2)
    return repository


def test_wal_of_the_old_timeline_goes_once_all_of_it_is_older() -> None:
    found = planned(pitr(12, 118, 20, 198))
    assert found.anchor == "20261113-142400F"
    assert [(one.timeline, one.objects) for one in found.wal_deletes] == [(1, 120), (2, 5)]
    shielded = planned(pitr(12, 90, 20, 170))
    assert shielded.anchor == "20261113-142400F"
    assert shielded.wal_start.startswith("00000001")
    assert "anchor of timeline 1" in {one.reason for one in shielded.keeps("base")}


def excursion(pinned: bool = False) -> Repository:
    """Timeline 2 was left on day 8.5, and timeline 1 went on."""
    repository = Repository()
    repository.row(1, 1, 200, day(0), day(20))
    repository.history(2, (1, "0/46000100"), at=day(8))
    repository.row(2, 70, 75, day(8), day(8.5))
    repository.base(day(8.3), 73, timeline=2, pinned=pinned)
    return repository


def test_a_timeline_that_led_nowhere_goes_when_it_is_older_than_the_window() -> None:
    repository = excursion()
    for number in range(20):
        repository.base(day(number + 0.5), 10 * number + 5)
    found = planned(repository)
    assert "20261109-071200F" in going(found)
    assert found.wal_start == "00000001000000000000007D"
    repository.segment(2, 76, day(14))
    found = planned(repository)
    assert {one.reason for one in found.keeps("base")} >= {"anchor of timeline 2"}


def test_wal_that_only_its_name_puts_first_is_shielded() -> None:
    """Below the start of a set on timeline 2, pgBackRest would remove all of timeline 1."""
    repository = excursion(pinned=True)
    for number in range(20):
        repository.base(day(number + 0.5), 10 * number + 5)
    found = planned(repository)
    assert found.anchor == "20261113-120000F"
    kept = {one.id: one.reason for one in found.keeps("base")}
    assert kept["20261109-071200F"] == "pinned"
    assert kept["20261108-120000F"].startswith("shields WAL from")
    assert found.wal_start == "00000001000000000000004B"


def test_no_wal_goes_when_nothing_can_shield_it() -> None:
    repository = excursion(pinned=True)
    repository.base(day(8.6), 86)
    repository.base(day(18), 180)
    found = planned(repository)
    assert found.wal_deletes == ()
    assert "No WAL is deleted" in found.warnings[0]


@pytest.mark.parametrize(
    "values",
    [
        {"window_days": 0},
        {"minimum_bases": 0},
        {"cap": "many"},
        {"cap": "120%"},
        {"cap": "-1"},
        {"dumps": {"days": 0}},
        {"dumps": {"minimum": 0}},
        {"dumps": {"hourly": 3}},
        {"keep": 3},
        {"window_days": "week"},
    ],
)
def test_a_policy_that_keeps_nothing_or_is_misspelt_is_refused(values: dict) -> None:
    with pytest.raises(BackupError, match="retention policy"):
        Policy.from_mapping(values)


def test_a_policy_takes_the_defaults_for_what_is_not_said() -> None:
    policy = Policy.from_mapping({"dumps": {"minimum": 24}, "cap": 5})
    assert policy.dumps == Keep(days=30, minimum=24)
    assert (policy.snapshots.days, policy.cap) == (7, "5")
    assert Policy.from_mapping(policy.to_dict()) == policy
