"""Carrying a plan out: what disagrees stops it, what the store refuses is told, what is left is done by the next run."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from ansible_collections.hustlex.platform.plugins.module_utils.backup_report.plan_text import plan_lines
from backup.catalogue import STATE
from backup.errors import BackupError, LockedError, RefusedError
from backup.policy import Keep, Policy
from backup.removal import RetentionResult, apply_plan
from backup.retention import RetentionPlan, plan
from backup.storage import DeleteOutcome
from backup.uploads import Upload

from .repository import Repository, day

NOW = day(20)
POLICY = Policy(snapshots=Keep(days=5.0, minimum=2), cap="100%")


@dataclass
class Guarded(Repository):
    """Refuses to delete some keys; notes what pgBackRest was asked."""

    refused: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)
    versioned: bool = False

    def delete(self, keys: Sequence[str]) -> DeleteOutcome:
        free = [key for key in keys if key not in self.refused]
        super().delete(free)
        errors = tuple((key, "AccessDenied") for key in keys if key in self.refused)
        return DeleteOutcome(tuple(free), errors, len(free) if self.versioned else 0)

    def pgbackrest(self, arguments: Sequence[str]) -> str:
        self.asked.append(" ".join(arguments))
        return super().pgbackrest(arguments)

    def really(self) -> list[str]:
        return [one for one in self.asked if "--dry-run" not in one]


@pytest.fixture
def repository() -> Guarded:
    filled = Guarded()
    filled.row(1, 1, 200, day(0), day(20))
    for number in range(20):
        filled.base(day(number + 0.5), 10 * number + 5)
        filled.dump(day(number + 0.5), kind="redis")
    return filled


def planned(repository: Repository, policy: Policy = POLICY) -> RetentionPlan:
    return plan(repository.catalogue(NOW), policy, NOW)


def carried_out(
    repository: Repository,
    found: RetentionPlan,
    pgbackrest: Callable[[Sequence[str]], str] | None = None,
    before_step: Callable[[], None] = lambda: None,
    confirm: bool = True,
) -> RetentionResult:
    run = pgbackrest or repository.pgbackrest
    return apply_plan(
        repository, found, run, lambda: repository.catalogue(NOW), confirm=confirm, before_step=before_step
    )


def test_a_run_tells_what_it_did(repository: Guarded) -> None:
    result = carried_out(repository, planned(repository))
    assert (len(result.bases), len(result.snapshots), result.segments, result.problems) == (12, 15, 124, ())
    assert result.changed
    json.dumps(result.to_dict())
    assert json.loads(repository.read(STATE))["counts"] == {"bases": 8, "dumps": 0, "segments": 76, "snapshots": 5}
    assert not carried_out(repository, planned(repository)).changed


def test_a_set_goes_before_the_one_that_it_builds_on(repository: Guarded) -> None:
    increment = repository.base(day(1.8), 18, prior="20261102-120000F")
    carried_out(repository, planned(repository))
    sets = [one.partition("--set=")[2].split()[0] for one in repository.really() if "--set=" in one]
    assert sets.index(increment) < sets.index("20261102-120000F")


def test_a_refusal_and_a_missing_confirmation_stop_it(repository: Guarded) -> None:
    with pytest.raises(RefusedError, match=r"more than the cap of 20%.*Confirm it"):
        carried_out(repository, planned(repository, Policy()), confirm=False)
    repository.skew = 1000.0
    with pytest.raises(RefusedError, match="Set it by NTP"):
        carried_out(repository, planned(repository))
    assert repository.asked == []


@pytest.mark.parametrize(
    ("printed", "sentence"),
    [
        ("P00   INFO: [DRY-RUN] expire command end", "would remove nothing instead of"),
        ("INFO: repo1: remove expired backup 20261120-120000F", "would remove 20261120-120000F instead of"),
    ],
)
def test_pgbackrest_must_foretell_the_same_set(repository: Guarded, printed: str, sentence: str) -> None:
    names = set(repository.objects)
    with pytest.raises(BackupError, match=sentence):
        carried_out(repository, planned(repository), lambda _arguments: printed)
    assert {name for name in names - set(repository.objects) if "pgbackrest" in name} == set()


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (
            "15-1 remove archive, start = 0000000100000000, stop = 00000001000000000000007D",
            "up to 00000001000000000000007D",
        ),
        ("15-1 remove archive, start = 0000000100000000, stop = 0000000100000001", "up to 0000000100000001"),
        ("14-1 remove archive, start = 0000000100000000, stop = 000000010000000000000002", "WAL of 14-1"),
        ("remove expired backup 20261120-120000F", "also remove the set 20261120-120000F"),
    ],
)
def test_pgbackrest_must_foretell_no_more_wal(repository: Guarded, line: str, sentence: str) -> None:
    def pgbackrest(arguments: Sequence[str]) -> str:
        printed = repository.pgbackrest(arguments)
        return f"{printed}\nINFO: repo1: {line}" if "--repo1-retention-archive" in " ".join(arguments) else printed

    with pytest.raises(BackupError, match=sentence):
        carried_out(repository, planned(repository), pgbackrest)
    assert not [one for one in repository.really() if "--repo1-retention-archive=" in one]


def test_what_the_store_does_not_delete_keeps_its_manifest_and_is_told(repository: Guarded) -> None:
    repository.refused = {"redis/20261103T120000Z/dump.rdb"}
    result = carried_out(repository, planned(repository))
    assert "did not delete redis/20261103T120000Z/dump.rdb (AccessDenied)" in " ".join(result.problems)
    assert len(result.snapshots) == 14
    (left,) = [copy for copy in repository.catalogue(NOW).snapshots if copy.state == "deleting"]
    repository.refused = set()
    assert carried_out(repository, planned(repository)).snapshots == (left.id,)
    assert len(repository.catalogue(NOW).snapshots) == 5


def test_a_versioned_bucket_is_told(repository: Guarded) -> None:
    repository.versioned = True
    assert carried_out(repository, planned(repository)).hidden == 30


def test_what_vanished_meanwhile_is_told(repository: Guarded) -> None:
    def pgbackrest(arguments: Sequence[str]) -> str:
        repository.objects = {key: one for key, one in repository.objects.items() if "20261120T120000Z" not in key}
        return repository.pgbackrest(arguments)

    result = carried_out(repository, planned(repository), pgbackrest)
    assert result.problems == ("redis 20261120T120000Z is gone although it was to be kept.",)


def test_a_lost_lease_stops_before_the_next_step(repository: Guarded) -> None:
    steps = iter(range(100))

    def before_step() -> None:
        if next(steps) == 5:
            raise LockedError("Another run took the lock; this one stops.")

    with pytest.raises(LockedError):
        carried_out(repository, planned(repository), before_step=before_step)
    assert len(repository.really()) == 2
    carried_out(repository, planned(repository))
    assert len(repository.catalogue(NOW).bases) == 8


def test_objects_that_someone_else_deleted_are_noticed_by_the_next_run(repository: Guarded) -> None:
    carried_out(repository, planned(repository))
    repository.objects = {key: one for key, one in repository.objects.items() if not key.startswith("redis/")}
    found = planned(repository)
    assert "The last run left 5 snapshots, now there are none" in found.refusals[0]
    with pytest.raises(RefusedError, match="Find out who deleted them"):
        carried_out(repository, found, confirm=False)
    del repository.objects[STATE]
    carried_out(repository, planned(repository))
    assert planned(repository).refusals == ()


def test_a_folder_that_a_store_lists_after_its_objects_are_gone_is_no_other_set(repository: Guarded) -> None:
    """As SeaweedFS does for some seconds."""
    gone: list[str] = []

    def lingering(arguments: Sequence[str]) -> str:
        printed = repository.pgbackrest(arguments)
        if "--dry-run" not in arguments:
            gone.extend(one.removeprefix("--set=") for one in arguments if one.startswith("--set="))
        return "\n".join([printed, *(f"repo1: remove expired backup {label}" for label in gone)])

    result = carried_out(repository, planned(repository), lingering)
    assert (len(result.bases), result.segments, result.problems) == (12, 124, ())


def test_uploads_that_nobody_can_be_writing_any_more_are_aborted(repository: Guarded) -> None:
    old = Upload("postgres/dumps/20261118T000000Z/hustlex.dump", "1", NOW - timedelta(days=2, minutes=1))
    young = Upload("redis/20261120T000000Z/dump.rdb", "2", NOW - timedelta(days=1))
    repository.pending = [old, young]
    found = planned(repository)
    assert found.aborts == (old,)
    lines = "\n".join(plan_lines(found, "test"))
    assert "uploads that were never completed: abort 1" in lines
    assert f"abort {old.key}, begun 2026-11-18 23:59:00" in lines
    assert RetentionPlan.from_dict(found.to_dict()) == found
    digest = found.digest()
    assert carried_out(repository, found).uploads == 1
    assert repository.pending == [young]
    assert planned(repository).digest() != digest
    assert not planned(repository).changes
