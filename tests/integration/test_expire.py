"""The real pgBackRest removes what the plan foretells, and what the double of the unit tests removes."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from backup.policy import Policy
from backup.removal import apply_plan
from backup.retention import plan

sys.path.insert(0, str(Path(__file__).parents[1] / "unit" / "backup"))
from repository import SEGMENT, Repository, day

NOW = day(20)
POLICY = Policy(cap="100%")


@pytest.fixture(scope="session")
def pgbackrest(folder: Path) -> list[str]:
    """The command, from Debian's package, unpacked for the tests."""
    target = folder / "pgbackrest"
    unpack = Path(__file__).parent / "unpack-debian"
    subprocess.run([unpack, target, "pgbackrest"], check=True, capture_output=True)
    libraries = ":".join(map(str, target.glob("usr/lib/*-linux-gnu")))
    return ["env", f"LD_LIBRARY_PATH={libraries}", "TZ=UTC", str(target / "usr" / "bin" / "pgbackrest")]


class Real:
    """A repository of files on which the real pgBackRest works; what it left is read back."""

    def __init__(self, repository: Repository, command: list[str], folder: Path) -> None:
        self.repository = repository
        self.folder = folder
        shutil.rmtree(folder, ignore_errors=True)
        repository.save(folder / "repository")
        self.command = [
            *command,
            "--config=/dev/null",
            "--stanza=main",
            f"--repo1-path={folder / 'repository'}",
            f"--lock-path={folder / 'lock'}",
        ]

    def __call__(self, arguments: Sequence[str]) -> str:
        done = subprocess.run([*self.command, *arguments], check=True, capture_output=True, text=True, timeout=60)
        return done.stdout + done.stderr

    def names(self) -> set[str]:
        files = (path for path in (self.folder / "repository").rglob("*") if path.is_file())
        return {str(path.relative_to(self.folder / "repository")) for path in files}

    def read_back(self) -> Repository:
        names = self.names()
        for key in list(self.repository.objects):
            name = key.removeprefix("postgres/pgbackrest/")
            if name != key and name not in names:
                del self.repository.objects[key]
            elif name.endswith((".info", ".info.copy")):
                self.repository.put(key, (self.folder / "repository" / name).read_bytes(), day(0))
        return self.repository


def one_timeline() -> Repository:
    repository = Repository()
    repository.row(1, 1, 200, day(0), day(20))
    for number in range(20):
        full = repository.base(day(number + 0.5), 10 * number + 5)
        repository.base(day(number + 0.8), 10 * number + 8, prior=full)
    return repository


def failover() -> Repository:
    repository = Repository()
    repository.row(1, 1, 120, day(0), day(12))
    repository.history(2, (1, "0/79000100"), at=day(12))
    repository.row(2, 121, 300, day(12), day(20))
    for number in range(20):
        repository.base(day(number + 0.5), 10 * number + 15, timeline=1 if number < 10 else 2)
    return repository


def excursion(pinned: bool = False) -> Repository:
    """Timeline 2 was left, timeline 1 went on."""
    repository = Repository()
    repository.row(1, 1, 300, day(0), day(20))
    repository.history(2, (1, "0/46000100"), at=day(8))
    repository.row(2, 70, 75, day(8), day(8.5))
    repository.base(day(8.3), 73, timeline=2, pinned=pinned)
    for number in range(20):
        repository.base(day(number + 0.5), 10 * number + 5)
    return repository


LIVES = {
    "one timeline": one_timeline,
    "a failover": failover,
    "a timeline that led nowhere": excursion,
    "a timeline that led nowhere, pinned": lambda: excursion(pinned=True),
}


@pytest.mark.parametrize("life", LIVES.values(), ids=LIVES)
def test_a_plan_is_carried_out_by_the_real_pgbackrest(
    life: Callable[[], Repository], pgbackrest: list[str], tmp_path: Path
) -> None:
    repository, double = life(), life()
    real = Real(repository, pgbackrest, tmp_path / "real")
    found = plan(repository.catalogue(NOW), POLICY, NOW)
    assert found.deletes("base")
    assert found.wal_deletes
    result = apply_plan(repository, found, real, lambda: real.read_back().catalogue(NOW), confirm=True)
    assert result.problems == ()
    apply_plan(double, found, double.pgbackrest, lambda: double.catalogue(NOW), confirm=True)
    left = {key.removeprefix("postgres/pgbackrest/") for key in double.objects if key.startswith("postgres/")}
    assert {name for name in real.names() if "backup.history" not in name} == left
    again = plan(repository.catalogue(NOW), POLICY, NOW)
    assert (again.refusals, again.changes) == ((), False)


def test_what_the_shield_prevents_is_real(pgbackrest: list[str], tmp_path: Path) -> None:
    """Plain retention by count removes all WAL of timeline 1, although the newest base needs it."""
    repository = Repository()
    repository.row(1, 1, 60, day(0), day(3))
    repository.history(2, (1, "0/A000100"), at=day(1))
    repository.row(2, 10, 20, day(1.5), day(2))
    repository.base(day(0), 2)
    repository.base(day(1.6), 12, timeline=2)
    repository.base(day(2.5), 50)
    real = Real(repository, pgbackrest, tmp_path / "real")
    real(["expire", "--repo1-retention-full=2", "--log-level-file=off"])
    assert {match[2][:8] for key in real.read_back().objects if (match := SEGMENT.match(key))} == {"00000002"}


def test_a_set_that_a_killed_expire_left_is_listed_and_removed(pgbackrest: list[str], tmp_path: Path) -> None:
    repository = one_timeline()
    label = "20261105-120000F"
    for name in [name for name in repository.sets if name.startswith(label)]:
        del repository.sets[name]
    repository.write_info()
    for _run in range(2):
        real = Real(repository, pgbackrest, tmp_path / "real")
        found = plan(repository.catalogue(NOW), POLICY, NOW)
        apply_plan(repository, found, real, lambda real=real: real.read_back().catalogue(NOW), confirm=True)
    assert not [key for key in repository.objects if label in key]
    assert not plan(repository.catalogue(NOW), POLICY, NOW).changes
