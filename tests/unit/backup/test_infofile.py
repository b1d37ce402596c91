"""pgBackRest's files: recorded from pgBackRest 2.45, then damaged."""

import contextlib
from pathlib import Path

import pytest
from backup.infofile import InfoFileError, parse, render
from hypothesis import given
from hypothesis import strategies as st

RECORDED = Path(__file__).parent / "recorded"
BACKUP_INFO = (RECORDED / "backup.info").read_text()


@pytest.mark.parametrize("name", ["backup.info", "archive.info"])
def test_a_recorded_file_is_read_and_written_byte_for_byte(name: str) -> None:
    text = (RECORDED / name).read_text()
    assert render(parse(text, name)) == text


def test_the_sets_of_a_recorded_file() -> None:
    sets = parse(BACKUP_INFO, "backup.info", frozenset({"backup:current"}))["backup:current"]
    assert [entry["backup-type"] for entry in sets.values()] == ["full", "incr", "diff", "full"]


@given(st.integers(0, len(BACKUP_INFO) - 2))
def test_a_file_that_is_cut_off_anywhere_is_noticed(length: int) -> None:
    with pytest.raises(InfoFileError, match=r"backup.info is (cut off|damaged|not a pgBackRest file)"):
        parse(BACKUP_INFO[:length], "backup.info")


@given(st.integers(0, len(BACKUP_INFO) - 1), st.sampled_from('0aF{"=\n'))
def test_a_changed_character_is_noticed(position: int, character: str) -> None:
    changed = BACKUP_INFO[:position] + character + BACKUP_INFO[position + 1 :]
    with contextlib.suppress(InfoFileError):
        assert parse(changed, "backup.info") == parse(BACKUP_INFO, "backup.info")


def test_keys_may_contain_what_separates_them_from_values() -> None:
    sections = {"target:file": {'pg_data/a=b"c': {"size": 1}, "pg_data/x=": {"size": 2}}}
    assert parse(render(sections), "manifest") == sections


@pytest.mark.parametrize("text", ["", "\x00\x01", "<html>404</html>", "key=1\n", "[a]\nnothing\n"])
def test_something_else_is_not_taken_for_a_file_of_pgbackrest(text: str) -> None:
    with pytest.raises(InfoFileError):
        parse(text, "backup.info")
