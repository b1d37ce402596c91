"""For any history: what could be recovered still can, good backups stay, and being cut off anywhere only leaves work."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from backup.catalogue import STATE
from backup.errors import RefusedError
from backup.policy import Keep, Policy
from backup.recovery import Target
from backup.recovery import plan as plan_recovery
from backup.removal import RetentionResult, apply_plan
from backup.retention import RetentionPlan, plan
from backup.storage import DeleteOutcome
from hypothesis import HealthCheck, Phase, event, given, settings
from hypothesis import strategies as st

from .histories import histories, recoverable
from .repository import BASES, SEGMENT, Repository, day

# Shrinking such lives takes minutes; the seed that is printed repeats the failure.
PHASES = (Phase.explicit, Phase.reuse, Phase.generate)
LIVES = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow], phases=PHASES)
POLICIES = st.builds(
    Policy,
    window_days=st.sampled_from([0.5, 1.0, 3.0, 7.0]),
    minimum_bases=st.integers(1, 3),
    dumps=st.builds(Keep, days=st.sampled_from([0.5, 2.0]), minimum=st.integers(1, 3)),
    snapshots=st.just(Keep(days=1.0, minimum=1)),
    cap=st.sampled_from(["100%", "100%", "100%", "20%", "1"]),
)


class KilledError(Exception):
    """The process is gone."""


@dataclass
class Mortal(Repository):
    """Dies at a given step: before it takes effect, or after."""

    steps: int = 1 << 30
    after: bool = False

    def step(self) -> None:
        self.steps -= 1
        if self.steps < 0:
            raise KilledError

    def write(self, key: str, data: bytes, if_absent: bool = False) -> bool:
        if not self.after:
            self.step()
        done = super().write(key, data, if_absent)
        if self.after:
            self.step()
        return done

    def delete(self, keys: Sequence[str]) -> DeleteOutcome:
        for key in keys:
            if not self.after:
                self.step()
            super().delete([key])
            if self.after:
                self.step()
        return DeleteOutcome(tuple(keys), ())


def apply(repository: Repository, found: RetentionPlan, now: float, confirm: bool = True) -> RetentionResult:
    return apply_plan(repository, found, repository.pgbackrest, lambda: repository.catalogue(day(now)), confirm=confirm)


def stored(repository: Repository) -> dict[str, bytes]:
    return {key: content for key, (content, _at) in repository.objects.items() if key != STATE}


def test_what_could_be_recovered_still_can() -> None:
    seen: Counter[str] = Counter()

    @LIVES
    @given(histories(), POLICIES)
    def holds(life: tuple[Repository, float], policy: Policy) -> None:
        outcome = still_can(life, policy)
        seen[outcome] += 1
        event(f"outcome: {outcome}")

    holds()
    # A rule that refuses everything, or deletes nothing, would keep every promise.
    assert seen["refused"] >= 5, seen
    assert seen["base backups went"] >= 5, seen
    assert seen["refused"] <= sum(seen.values()) * 0.8, seen


def still_can(life: tuple[Repository, float], policy: Policy) -> str:
    """What the plan came to; its promises are asserted."""
    repository, now = life
    cutoff = now - policy.window_days
    before = recoverable(repository, now, cutoff)
    good = len(repository.catalogue(day(now)).valid_bases)
    names = set(repository.objects)
    found = plan(repository.catalogue(day(now)), policy, day(now))
    if found.refusals or found.confirmations:
        with pytest.raises(RefusedError):
            apply(repository, found, now, confirm=False)
        assert set(repository.objects) == names
    if found.refusals:
        with pytest.raises(RefusedError):
            apply(repository, found, now)
        assert set(repository.objects) == names
        return "refused"
    assert apply(repository, found, now).problems == ()
    after = recoverable(repository, now, cutoff)
    assert {spot: since for spot, since in before.items() if after.get(spot, 1e12) > since} == {}
    assert len(repository.catalogue(day(now)).valid_bases) >= min(good, policy.minimum_bases)
    assert unplanned(names - set(repository.objects), found) == set()
    if found.confirmations:
        return "confirmed"
    return "base backups went" if found.deletes("base") else "other things went" if found.changes else "all stays"


def unplanned(gone: set[str], found: RetentionPlan) -> set[str]:
    """Keys that are gone although the plan does not say so."""
    keys = {key for kind in ("dump", "redis") for one in found.deletes(kind) for key in one.keys}
    folders = tuple(f"{BASES}{one.id}/" for one in found.deletes("base"))
    ranges = {one.timeline: one for one in found.wal_deletes}

    def is_planned(key: str) -> bool:
        if key in keys or (folders and key.startswith(folders)):
            return True
        match = SEGMENT.match(key)
        wal = ranges.get(int(match[2][:8], 16)) if match else None
        return bool(wal and match and wal.first <= match[2] <= wal.last)

    return {key for key in gone if not is_planned(key)}


@LIVES
@given(histories(), POLICIES)
def test_a_second_run_has_nothing_to_do(life: tuple[Repository, float], policy: Policy) -> None:
    repository, now = life
    found = plan(repository.catalogue(day(now)), policy, day(now))
    if found.refusals:
        return
    apply(repository, found, now)
    left = stored(repository)
    again = plan(repository.catalogue(day(now)), policy, day(now))
    assert (again.refusals, again.changes) == ((), False)
    apply(repository, again, now)
    assert stored(repository) == left


@LIVES
@given(histories(), POLICIES, st.integers(0, 60), st.booleans())
def test_a_run_that_is_killed_anywhere_is_finished_by_the_next(
    life: tuple[Repository, float], policy: Policy, steps: int, after: bool
) -> None:
    repository, now = life
    found = plan(repository.catalogue(day(now)), policy, day(now))
    if found.refusals:
        return
    whole = copy.deepcopy(repository)
    apply(whole, found, now)
    mortal = Mortal(**copy.deepcopy(repository).__dict__, steps=steps, after=after)
    names = set(mortal.objects)
    try:
        apply(mortal, found, now)
    except KilledError:
        mortal.steps = 1 << 30
        # A set whose removal had only begun is listed again by the first run, and removed by the second.
        for _time in range(2):
            again = plan(mortal.catalogue(day(now)), policy, day(now))
            assert again.refusals == ()
            apply(mortal, again, now)
    # Rests of a set without its manifest are not a backup; the next expire or backup that has something to do takes them.
    rests = tuple(f"{BASES}{label}/" for label in mortal.catalogue(day(now)).unfinished)
    assert {key for key in stored(mortal).keys() ^ stored(whole).keys() if not key.startswith(rests or "no")} == set()
    assert unplanned(names - set(mortal.objects), found) == set()


@LIVES
@given(histories(), st.floats(0, 15))
def test_a_plan_for_a_moment_holds_every_segment_it_needs(life: tuple[Repository, float], at: float) -> None:
    repository, now = life
    try:
        found = plan_recovery(repository.catalogue(day(now)), Target.parse(day(at).isoformat()), day(now))
    except RefusedError:
        return
    rows = list(found.segments())
    assert found.base_stopped < day(at)
    assert rows[-1].modified >= day(at).timestamp()
    assert all(row.size for row in rows)
    numbers = [row.number for row in rows]
    assert numbers == list(range(numbers[0], numbers[-1] + 1))
    assert [row.timeline for row in rows] == sorted(row.timeline for row in rows)
    assert len(found.wal_plan_lines()) == len(rows) + len(found.histories)
    assert (
        plan_recovery(repository.catalogue(day(now)), found.target, day(now), last_segment=found.last_segment).digest()
        == found.digest()
    )
