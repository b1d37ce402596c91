"""The catalogue tells what is there, and what is wrong with it."""

import json
from collections.abc import Callable
from datetime import timedelta

import pytest
from backup.catalogue import DUMPS, Catalogue, read_catalogue
from backup.infofile import parse, render

from .repository import BASES, WAL, Repository, day

NOW = day(10)


def healthy() -> Repository:
    """Ten days with a base each, a segment each 2.4 hours, a dump and a snapshot each day."""
    repository = Repository()
    repository.row(1, 1, 101, day(0), day(10))
    for number in range(10):
        repository.base(day(number + 0.3), 10 * number + 4)
        repository.dump(day(number + 0.5))
        repository.dump(day(number + 0.6), kind="redis")
    return repository


def test_a_healthy_bucket_has_one_window_and_no_problem() -> None:
    catalogue = healthy().catalogue(NOW)
    assert (catalogue.problems, catalogue.warnings, catalogue.gaps) == ((), (), ())
    assert [len(catalogue.bases), len(catalogue.dumps), len(catalogue.snapshots)] == [10, 10, 10]
    (window,) = catalogue.windows
    assert window.start == day(0.3) + timedelta(minutes=10, seconds=1)
    assert window.end == day(10)
    assert (window.first_segment, window.last_segment) == ("000000010000000000000004", "000000010000000000000065")
    assert catalogue.archive.to_dict()["timelines"][0]["segments"] == 101
    json.dumps(catalogue.to_dict())


def test_an_empty_bucket_is_no_problem() -> None:
    catalogue = Repository().catalogue(NOW)
    assert catalogue.problems == ()
    assert catalogue.windows == ()


def drop(repository: Repository, key: str) -> None:
    del repository.objects[next(name for name in repository.objects if key in name)]


def replace(repository: Repository, key: str, content: bytes) -> None:
    name = next(name for name in repository.objects if key in name)
    repository.objects[name] = (content, repository.objects[name][1])


BASE = "20261105-071200F"


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        (lambda r: drop(r, f"{BASE}/backup.manifest"), "has no manifest"),
        (
            lambda r: replace(r, f"{BASE}/backup.manifest", b"[backup]\n"),
            "manifest of base 20261105-071200F is cut off",
        ),
        (lambda r: replace(r, f"{BASE}/backup.manifest", b"\xff"), "is not readable"),
        (lambda r: replace(r, f"{BASE}/backup.manifest", r.manifest("20261106-071200F").encode()), "another backup"),
        (lambda r: (replace(r, "backup.info", b""), replace(r, "backup.info.copy", b"")), "backup.info is cut off"),
        (lambda r: (drop(r, "backup.info"), drop(r, "backup.info.copy")), "backup.info is missing although"),
        (lambda r: (drop(r, "archive.info"), drop(r, "archive.info.copy")), "archive.info is missing although"),
        (lambda r: replace(r, "20261105T120000Z/manifest.json", b"{"), "manifest.json is not readable"),
    ],
)
def test_what_cannot_be_read_is_a_problem(fault: Callable[[Repository], object], sentence: str) -> None:
    repository = healthy()
    fault(repository)
    problems = repository.catalogue(NOW).problems
    assert any(sentence in problem for problem in problems), problems


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        (lambda r: replace(r, f"{BASE}/bundle/1", b"cont"), "has 4 bytes stored instead of 7"),
        (lambda r: drop(r, f"{BASE}/bundle/1"), "has 0 bytes stored instead of 7"),
        (lambda r: replace(r, "archive.info", b""), "archive.info is cut off: it has no checksum. Its copy serves"),
        (lambda r: drop(r, "20261105T120000Z/hustlex.dump"), "hustlex.dump is missing"),
        (lambda r: replace(r, "20261105T120000Z/hustlex.dump", b"dump"), "has 4 bytes instead of 6"),
    ],
)
def test_what_is_damaged_but_understood_is_a_warning(fault: Callable[[Repository], object], sentence: str) -> None:
    repository = healthy()
    fault(repository)
    catalogue = repository.catalogue(NOW)
    assert catalogue.problems == ()
    assert any(sentence in warning for warning in catalogue.warnings), catalogue.warnings


def test_a_set_with_wrong_page_checksums_is_not_valid() -> None:
    repository = healthy()
    label = repository.base(day(9.9), 100, error=True)
    assert label not in {base.label for base in repository.catalogue(NOW).valid_bases}


def test_a_set_falls_with_the_one_that_it_builds_on() -> None:
    repository = healthy()
    full = repository.base(day(9.4), 95)
    first = repository.base(day(9.5), 96, prior=full)
    second = repository.base(day(9.6), 97, prior=first)
    drop(repository, f"{first}/bundle/1")
    valid = {base.label for base in repository.catalogue(NOW).valid_bases}
    assert full in valid
    assert not valid & {first, second}


def test_a_set_that_is_not_listed_is_not_a_backup() -> None:
    repository = healthy()
    repository.put(f"{BASES}20261110-230000F/bundle/1", b"half", day(9.9))
    assert repository.catalogue(NOW).unfinished == ("20261110-230000F",)


def test_dumps_without_a_manifest_are_unfinished_and_marked_ones_are_being_deleted() -> None:
    repository = Repository()
    repository.dump(day(1), complete=False)
    repository.dump(day(2), deleting="2026-11-04T00:00:00Z")
    repository.dump(day(3))
    repository.put(f"{DUMPS}README", b"", day(1))
    repository.put("postgres/dumps2/20261101T000000Z/manifest.json", b"{}", day(1))
    assert [copy.state for copy in repository.catalogue(NOW).dumps] == ["unfinished", "deleting", "complete"]


def gap_of(fault: Callable[[Repository], object]) -> tuple[Catalogue, list[str]]:
    repository = healthy()
    fault(repository)
    catalogue = repository.catalogue(NOW)
    return catalogue, [str(gap) for gap in catalogue.gaps]


@pytest.mark.parametrize(
    "fault",
    [
        lambda r: drop(r, "000000010000000000000032-"),
        lambda r: replace(r, "000000010000000000000032-", b""),
        lambda r: r.segment(1, 50, day(5), sha1="0" * 40),
    ],
    ids=["gone", "empty", "twice with other content"],
)
def test_a_segment_that_cannot_serve_splits_the_window(fault: Callable[[Repository], object]) -> None:
    catalogue, gaps = gap_of(fault)
    assert gaps == ["WAL segment 000000010000000000000032 is missing"]
    assert [window.last_segment[-2:] for window in catalogue.windows] == ["31", "65"]


def test_a_partial_segment_does_not_count() -> None:
    def fault(repository: Repository) -> None:
        drop(repository, "000000010000000000000032-")
        repository.put(f"{WAL}15-1/0000000100000000/000000010000000000000032.partial-{'0' * 40}.zst", b"x", day(5))

    assert gap_of(fault)[1] == ["WAL segment 000000010000000000000032 is missing"]


def test_the_same_segment_twice_with_the_same_content_is_fine() -> None:
    def fault(repository: Repository) -> None:
        key = repository.segment(1, 50, day(5))
        repository.objects[key.replace(".zst", ".gz")] = repository.objects[key]

    assert gap_of(fault)[1] == []


def test_a_missing_history_is_a_problem() -> None:
    repository = healthy()
    repository.row(2, 50, 60, day(5), day(6))
    assert "00000002.history is missing" in " ".join(repository.catalogue(NOW).problems)


def test_different_databases_in_one_repository_are_a_problem() -> None:
    repository = healthy()
    repository.systems["2"] = {"db-system-id": 7711569477655889079, "db-version": "16"}
    repository.base(day(9.9), 3, system="2")
    assert "backups of different databases: PostgreSQL 15" in " ".join(repository.catalogue(NOW).problems)


def test_info_files_of_two_databases_are_a_problem() -> None:
    repository = healthy()
    for name in ("archive.info", "archive.info.copy"):
        text = repository.objects[f"{WAL}{name}"][0].decode()
        sections = parse(text, name)
        sections["db"]["db-system-id"] += 1
        replace(repository, f"{WAL}{name}", render(sections).encode())
    assert "belong to two different databases" in " ".join(repository.catalogue(NOW).problems)


def test_a_second_reading_reads_the_small_objects_from_the_cache() -> None:
    repository = healthy()
    cache: dict = {}
    read_catalogue(repository, NOW, cache=cache)
    assert len(cache) == 30
    repository.dump(day(9.9))
    drop(repository, "20261105T120000Z/manifest.json")
    assert len(read_catalogue(repository, NOW, cache=cache).dumps) == 11
    assert len(cache) == 30
