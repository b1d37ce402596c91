"""Records of releases: which one is good, which one comes before it, which may go, and what a record must not hold."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from ansible_collections.hustlex.platform.plugins.module_utils.kube.errors import KubeError
from ansible_collections.hustlex.platform.plugins.module_utils.release import record
from ansible_collections.hustlex.platform.plugins.module_utils.release.record import Release
from ansible_collections.hustlex.platform.plugins.module_utils.release.records import find_release
from ansible_collections.hustlex.platform.plugins.module_utils.release.text import duration, history

BASE = Release(
    number=1, kind="deploy", version="v1", reported="v1", image="hustlex/api:v1", content="a", result="good",
    started="2026-11-25T15:00:00+00:00", finished="2026-11-25T15:01:05+00:00", seconds=65, who="ada@laptop",
)  # fmt: skip


def releases(*rows: str) -> list[Release]:
    """`a+` is a good release of content a, `b-` a failed one; numbered from 1."""
    return [
        replace(BASE, number=number, content=row[0], result="good" if row[1] == "+" else "failed")
        for number, row in enumerate(rows, 1)
    ]


@pytest.mark.parametrize(
    ("rows", "last", "previous"),
    [
        ([], None, None),
        (["a-"], None, None),
        (["a+"], 1, None),
        (["a+", "b-"], 1, None),
        (["a+", "b+"], 2, 1),
        (["a+", "b+", "c-"], 2, 1),
        (["a+", "b+", "b+"], 3, 1),
        (["a+", "b+", "a+"], 3, 2),
    ],
)
def test_where_a_rollback_goes(rows, last, previous):
    found = releases(*rows)
    numbers = [each.number if each else None for each in (record.last_good(found), record.previous_good(found))]
    assert numbers == [last, previous]


def run_of(*steps: str) -> list[Release]:
    """`v3` deploys content 3, `v3!` fails at it, `<2` goes back to release 2; numbered from 1."""
    found: list[Release] = []
    for number, step in enumerate(steps, 1):
        if step[0] == "<":
            of = int(step[1:])
            made = replace(found[of - 1], kind="rollback", of=of)
        else:
            made = replace(BASE, content=step[1], result="failed" if step.endswith("!") else "good")
        found.append(replace(made, number=number))
    return found


@pytest.mark.parametrize(
    ("steps", "previous"),
    [
        (["v1", "v2", "v3", "<2"], 1),
        (["v1", "v2", "v3", "<2", "<1"], None),
        (["v1", "v2", "v3", "<1"], None),
        (["v1", "v2", "v3", "<2", "v4"], 4),
        (["v1", "v2", "v3", "<2", "v4", "<4"], 1),
        (["v1", "v2", "v3", "<2", "v4", "v5", "<5", "<4"], 1),
        (["v1", "v2", "v3", "<2", "v4", "v5", "<5"], 4),
        (["v1", "v2", "v3", "<1", "<3"], 2),
        (["v1", "v2", "v2", "v3", "<3"], 1),
        (["v1", "v2!", "v3", "v4", "<3"], 1),
        (["v1", "v2", "v3", "<2", "v4!"], 1),
        (["v1", "v2", "v1"], 2),
    ],
)
def test_every_further_rollback_goes_further_back(steps, previous):
    found = record.previous_good(run_of(*steps))
    assert (found.number if found else None) == previous


def test_a_rollback_to_a_release_that_is_off_the_record_still_has_its_place():
    found = [each for each in run_of("v1", "v2", "v3", "<2") if each.number != 2]
    previous = record.previous_good(found)
    assert previous is not None
    assert previous.number == 1


def test_the_oldest_go_but_never_what_is_needed():
    found = releases("a+", "b+", "c-", "d-", "e-", "f-")
    assert [each.number for each in record.outdated(found, 2)] == [4, 3]
    assert record.outdated(found, 20) == []


def test_a_record_comes_back_as_it_was():
    manifest = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "x"}}
    written = record.config_map(replace(BASE, number=7), [manifest], [{"workload": "x"}], "hustlex")
    assert written["metadata"]["name"] == "hustlex-release-7"
    assert written["immutable"] is True
    assert record.parse(written["metadata"]) == replace(BASE, number=7)


def test_what_a_later_version_added_is_left_out():
    assert Release.from_dict({**vars(BASE), "colour": "blue"}) == BASE


def test_a_secret_is_never_recorded():
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "keys"}}
    with pytest.raises(KubeError, match="Secret keys is among the manifests"):
        record.config_map(BASE, [secret], [], "hustlex")


def test_a_record_that_was_edited_is_named():
    with pytest.raises(KubeError, match="ConfigMap hustlex-release-3 is no record"):
        record.parse({"name": "hustlex-release-3", "annotations": {}})


def test_the_same_manifests_are_the_same_release_in_any_order():
    one, two = {"kind": "A", "x": 1, "y": 2}, {"kind": "B"}
    assert record.content_of([one, two]) == record.content_of([two, {"y": 2, "x": 1, "kind": "A"}])
    assert record.content_of([one]) != record.content_of([one, two])


def test_history_marks_what_runs():
    now = datetime.fromisoformat("2026-11-25T18:02:00+00:00")
    failed = replace(BASE, number=2, result="failed", reason="Pod x crashes.", schema=6)
    lines = history([failed, BASE], now)
    assert lines[1].split()[:2] == ["2", "v1"]
    assert "Pod x crashes." in lines[1]
    assert lines[2].startswith("1 *")
    assert "2026-11-25 15:01 (3 h ago)" in lines[2]


@pytest.mark.parametrize(
    ("database", "code", "text"),
    [(6, 6, "6"), (6, 5, "6 (code 5)"), (None, 6, "- (code 6)"), (6, None, "6"), (None, None, "-"), (0, 0, "0")],
)
def test_history_shows_the_schema_of_the_database_and_that_of_the_code(database, code, text):
    heading, row = history([replace(BASE, database_schema=database, schema=code)], datetime(2026, 11, 26, tzinfo=UTC))
    start, end = heading.index("SCHEMA"), heading.index("DURATION")
    assert row[start:end].strip() == text


@pytest.mark.parametrize(("seconds", "text"), [(0.4, "0 s"), (59.4, "59 s"), (65, "1 min 05 s")])
def test_durations(seconds, text):
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("numbers", "asked", "words"),
    [([], 1, "none was recorded"), ([4, 3], 2, "older ones were pruned"), ([4, 3], 5, "on record are 3 to 4")],
)
def test_a_release_that_is_not_there_is_named_with_those_that_are(numbers, asked, words):
    with pytest.raises(KubeError, match=words):
        find_release([replace(BASE, number=number) for number in numbers], asked)
