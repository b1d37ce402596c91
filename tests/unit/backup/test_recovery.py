"""Every target is either proved or refused with what could be reached instead."""

import json
from datetime import timedelta

import pytest
from backup.catalogue import Catalogue
from backup.errors import RefusedError
from backup.infofile import parse, render
from backup.recovery import RecoveryPlan, Target, plan

from .repository import WAL, Repository, day, sha1_of

NOW = day(10)
MINUTES = timedelta(minutes=1)


def ten_days() -> Repository:
    """A base each day at 7:12 for ten minutes; segments 1 to 101, one each 2.4 hours."""
    repository = Repository()
    repository.row(1, 1, 101, day(0), day(10))
    for number in range(10):
        repository.base(day(number + 0.3), 10 * number + 4)
    return repository


def after_pitr() -> Repository:
    """On day 6 recovered to day 4 (segment 41): timeline 1 has segments up to day 6, timeline 2 those after."""
    repository = Repository()
    repository.row(1, 1, 61, day(0), day(6))
    repository.history(2, (1, "0/29000100"), at=day(6))
    repository.row(2, 41, 80, day(6), day(10))
    for number in range(6):
        repository.base(day(number + 0.3), 10 * number + 4)
    repository.base(day(6.2), 43, timeline=2)
    return repository


def after_failover() -> Repository:
    """The primary died on day 6 in segment 61, of which only a partial copy exists; a replica went on."""
    repository = Repository()
    repository.row(1, 1, 60, day(0), day(5.9))
    repository.put(f"{WAL}15-1/0000000100000000/00000001000000000000003D.partial-{'0' * 40}.zst", b"x", day(6))
    repository.history(2, (1, "0/3D000100"), at=day(6))
    repository.row(2, 61, 100, day(6.1), day(10))
    for number in range(6):
        repository.base(day(number + 0.3), 10 * number + 4)
    return repository


def planned(repository: Repository, target: str, **options: object) -> RecoveryPlan:
    return plan(repository.catalogue(NOW), Target.parse(target), NOW, **options)


def refusal(repository: Repository, target: str, **options: object) -> str:
    with pytest.raises(RefusedError) as error:
        planned(repository, target, **options)
    return str(error.value)


@pytest.mark.parametrize(
    ("text", "kind", "canonical"),
    [
        ("latest", "latest", "latest"),
        ("2026-11-05T10:30:00+01:00", "time", "2026-11-05T09:30:00Z"),
        ("2026-11-05 10:30:00.25Z", "time", "2026-11-05T10:30:00.250000Z"),
        ("2026-11-05T10:30-0330", "time", "2026-11-05T14:00:00Z"),
        ("lsn:0/3000000", "lsn", "lsn:0/3000000"),
        ("xid:1234", "xid", "xid:1234"),
        ("name:before the release", "name", "name:before the release"),
    ],
)
def test_a_target_has_one_meaning(text: str, kind: str, canonical: str) -> None:
    target = Target.parse(text)
    assert (target.kind, target.text) == (kind, canonical)
    assert Target.parse(target.text) == target


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("2026-11-05T10:30:00", "does not say its time zone"),
        ("2026-11-05 10:30", "does not say its time zone"),
        ("2026-11-05", "is not a target"),
        ("2026-W45-4T10:30Z", "is not a target"),
        ("2026-13-05T10:30:00Z", "month must be in"),
        ("yesterday", "is not a target"),
        ("", "is not a target"),
        ("lsn:0", "is not an LSN"),
        ("xid:two", "is not a transaction id"),
        ("xid:0", "is not a transaction id"),
        ("name:", "1 to 63 characters"),
        ("name:it's", "no quotes"),
        ("latest 2026-11-05T10:30:00Z", "is not a target"),
    ],
)
def test_what_is_not_exactly_one_target_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(RefusedError, match=sentence):
        Target.parse(text)


def test_a_moment_is_reached_from_the_newest_base_before_it() -> None:
    found = planned(ten_days(), "2026-11-05T12:00:00Z")
    assert (found.base, found.timeline) == ("20261105-071200F", 1)
    assert (found.first_segment, found.last_segment) == ("00000001000000000000002C", "000000010000000000000065")
    assert (found.segment_count, found.replayed_segments) == (58, 3)
    assert found.wal_plan_lines()[0] == f"{sha1_of('00000001000000000000002C')}  00000001000000000000002C"
    json.dumps(found.to_dict())


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("2026-11-12T00:00:00Z", "lies in the future"),
        ("2026-11-01T07:00:00Z", "before the end of the oldest base"),
        ("2026-11-01T07:15:00Z", "lies inside base backup 20261101-071200F"),
        ("2026-11-01T07:22:00Z", "lies inside base backup"),
        ("2026-11-01T07:22:00.999Z", "lies inside base backup"),
        ("lsn:0/3000000", "before the end of the oldest base"),
        ("lsn:0/4000029", "lies inside base backup"),
        ("lsn:0/65000000", "ends with segment 000000010000000000000065"),
        ("lsn:9/0", "ends with segment 000000010000000000000065"),
    ],
)
def test_what_cannot_be_reached_is_refused_with_what_can(target: str, reason: str) -> None:
    text = refusal(ten_days(), target)
    assert reason in text
    assert "Reachable: 2026-11-01T07:22:01Z to 2026-11-11T00:00:00Z on timeline 1." in text


def test_the_second_after_the_base_is_the_first_that_is_reached() -> None:
    assert planned(ten_days(), "2026-11-01T07:22:01Z").base == "20261101-071200F"


def test_a_moment_behind_the_archive_is_refused() -> None:
    repository = ten_days()
    del repository.objects[next(key for key in repository.objects if "000000010000000000000065" in key)]
    assert "wait until a later one is archived" in refusal(repository, "2026-11-10T23:00:00Z")


def test_a_gap_is_refused_behind_it_and_not_before_it() -> None:
    repository = ten_days()
    del repository.objects[next(key for key in repository.objects if "000000010000000000000032" in key)]
    assert planned(repository, "2026-11-05T12:00:00Z").last_segment.endswith("31")
    text = refusal(repository, "2026-11-06T02:00:00Z")
    assert "WAL segment 000000010000000000000032 is missing, empty or there twice" in text
    assert "2026-11-05T19:12:00Z on timeline 1; 2026-11-06T07:22:01Z to 2026-11-11T00:00:00Z" in text
    assert planned(repository, "latest").base == "20261110-071200F"


def test_the_latest_state_is_not_promised_across_a_gap() -> None:
    repository = ten_days()
    del repository.objects[next(key for key in repository.objects if "000000010000000000000064" in key)]
    assert "000000010000000000000064 is missing" in refusal(repository, "latest")


def test_without_a_base_nothing_is_promised() -> None:
    repository = Repository()
    repository.row(1, 1, 101, day(0), day(10))
    text = refusal(repository, "latest")
    assert "no valid base backup" in text
    assert "Reachable: none. backup.info is missing" in text


def test_an_increment_brings_what_it_builds_on() -> None:
    repository = ten_days()
    label = repository.base(day(9.5), 97, prior="20261110-071200F")
    found = planned(repository, "latest")
    assert found.base == label
    assert found.download_bytes == 7 + 7 + 5 * 3


def test_backups_of_another_database_are_no_candidates() -> None:
    repository = Repository(archive="15-2")
    repository.systems = {"1": {"db-system-id": 1, "db-version": "14"}, "2": repository.systems["1"]}
    repository.row(1, 1, 100, day(0), day(10))
    ours = repository.base(day(2), 21, system="2")
    repository.base(day(4), 41, system="1")
    found = planned(repository, day(5).isoformat())
    assert (found.base, found.archive_id, found.version) == (ours, "15-2", "15")
    repository.systems["3"] = {"db-system-id": 3, "db-version": "16"}
    repository.write_info()
    assert "no valid base backup with its WAL" in refusal(repository, day(5).isoformat())


def test_a_base_and_wal_of_two_systems_are_refused() -> None:
    """Half of the repository was replaced by that of another database: the id of the archive is the same."""
    repository = ten_days()
    for name in ("archive.info", "archive.info.copy"):
        sections = parse(repository.objects[f"{WAL}{name}"][0].decode(), name)
        sections["db"]["db-system-id"] += 1
        repository.put(f"{WAL}{name}", render(sections), day(0))
    assert "is of database system 7711569477655889078, the WAL of" in refusal(repository, "latest")


def test_a_base_with_tablespaces_is_refused() -> None:
    repository = ten_days()
    repository.base(day(9.5), 97, tablespace=True)
    assert "has tablespaces" in refusal(repository, "latest")


@pytest.mark.parametrize(
    ("target", "base", "timeline"),
    [
        ("2026-11-05T00:00:00Z", "20261104-071200F", 1),
        ("2026-11-06T00:00:00Z", "20261105-071200F", 1),
        ("2026-11-06T23:00:00Z", "20261106-071200F", 1),
        ("2026-11-07T12:00:00Z", "20261107-044800F", 2),
        ("latest", "20261107-044800F", 2),
    ],
)
def test_the_timeline_is_the_one_that_was_current_at_the_target(target: str, base: str, timeline: int) -> None:
    found = planned(after_pitr(), target)
    assert (found.base, found.timeline) == (base, timeline)


def test_a_named_timeline_wins() -> None:
    found = planned(after_pitr(), "2026-11-05T00:00:00Z", timeline=2)
    assert (found.base, found.timeline, found.last_segment[:8]) == ("20261104-071200F", 2, "00000002")
    names = [line.split()[1] for line in found.wal_plan_lines()]
    assert names[0] == "00000002.history"
    assert "000000010000000000000028" in names
    assert "000000010000000000000029" not in names
    assert "000000020000000000000029" in names


def test_a_timeline_that_nothing_leads_to_is_refused() -> None:
    assert "no base backup leads to timeline 7" in refusal(after_pitr(), "latest", timeline=7)


def test_every_history_belongs_to_the_plan() -> None:
    names = [line.split()[1] for line in planned(after_pitr(), "2026-11-05T00:00:00Z").wal_plan_lines()]
    assert "00000002.history" in names


@pytest.mark.parametrize("target", ["2026-11-06T20:00:00Z", "2026-11-06T22:00:00Z", "2026-11-07T01:00:00Z", "latest"])
def test_after_a_failover_the_heir_has_the_last_commits(target: str) -> None:
    found = planned(after_failover(), target)
    assert (found.base, found.timeline) == ("20261106-071200F", 2)
    names = [line.split()[1] for line in found.wal_plan_lines()]
    assert "00000001000000000000003C" in names
    assert "00000002000000000000003D" in names


def test_going_back_to_an_older_timeline_needs_its_name() -> None:
    repository = after_pitr()
    repository.row(1, 62, 70, day(9), day(10.1))
    assert "name the timeline" in refusal(repository, "latest")
    assert planned(repository, "latest", timeline=1).last_segment == "000000010000000000000046"


def copied(repository: Repository) -> Repository:
    repository.objects = {key: (content, day(9.99).timestamp()) for key, (content, _at) in repository.objects.items()}
    return repository


def test_upload_times_of_a_copied_bucket_prove_nothing() -> None:
    found = planned(copied(ten_days()), "2026-11-05T12:00:00Z")
    assert "was copied" in found.warnings[0]
    assert "no base backup was taken after the target" in refusal(copied(ten_days()), "2026-11-10T12:00:00Z")
    assert planned(copied(ten_days()), "latest").base == "20261110-071200F"
    assert "name the timeline" in refusal(copied(after_pitr()), "2026-11-05T12:00:00Z")


@pytest.mark.parametrize("target", ["xid:1234", "name:release"])
def test_a_position_that_no_name_tells_is_replayed_from_the_oldest_base(target: str) -> None:
    found = planned(ten_days(), target)
    assert found.base == "20261101-071200F"
    assert "only when it is replayed" in found.warnings[0]
    assert planned(ten_days(), target, base="20261105-071200F").base == "20261105-071200F"


def test_a_plan_can_be_made_again_while_the_archive_grows() -> None:
    repository = ten_days()
    first = planned(repository, "2026-11-05T12:00:00Z")
    repository.segment(1, 102, day(10))
    assert planned(repository, "2026-11-05T12:00:00Z").digest() != first.digest()
    again = planned(repository, "2026-11-05T12:00:00Z", last_segment=first.last_segment)
    assert again.digest() == first.digest()
    repository.segment(1, 50, day(5), sha1="0" * 40)
    assert "to which no row of segments leads now" in refusal(
        repository, "2026-11-05T12:00:00Z", last_segment=first.last_segment
    )


def test_the_digest_notices_other_content() -> None:
    repository, other = ten_days(), ten_days()
    del other.objects[next(key for key in other.objects if "000000010000000000000065" in key)]
    other.segment(1, 101, day(10), sha1="0" * 40)
    assert planned(repository, "latest").digest() != planned(other, "latest").digest()


def test_only_the_current_database_counts() -> None:
    catalogue = ten_days().catalogue(NOW)
    foreign = Catalogue(**{**catalogue.__dict__, "current": "16-2"})
    with pytest.raises(RefusedError, match="no valid base backup"):
        plan(foreign, Target.parse("latest"), NOW)
