"""Names, positions and timelines of WAL."""

import pytest
from backup import wal
from backup.wal import Stretch, Switch
from hypothesis import given
from hypothesis import strategies as st

SIZES = st.sampled_from([1 << power for power in range(20, 31)])


@pytest.mark.parametrize(
    ("name", "size", "expected"),
    [
        ("000000010000000000000001", 16 << 20, (1, 1)),
        ("0000000A00000001000000FF", 16 << 20, (10, 511)),
        ("000000020000000100000000", 1 << 30, (2, 4)),
        ("000000010000000000000FFF", 1 << 20, (1, 4095)),
    ],
)
def test_a_segment_is_a_timeline_and_a_number(name: str, size: int, expected: tuple[int, int]) -> None:
    assert wal.parse_segment(name, size) == expected
    assert wal.segment_name(*expected, size) == name


@pytest.mark.parametrize(
    "name",
    ["", "00000001000000000000001", "000000010000000000000001.partial", "00000001000000000000000g", "00000002.history"],
)
def test_other_names_are_no_segments(name: str) -> None:
    with pytest.raises(ValueError, match="not the name"):
        wal.parse_segment(name)


def test_a_position_beyond_the_log_file_is_no_segment() -> None:
    with pytest.raises(ValueError, match="does not exist with segments of 16777216 bytes"):
        wal.parse_segment("000000010000000000000100")


@given(st.integers(1, 0xFFFFFFFF), st.integers(0, 1 << 20), SIZES)
def test_names_and_numbers_are_the_same_thing(timeline: int, number: int, size: int) -> None:
    assert wal.parse_segment(wal.segment_name(timeline, number, size), size) == (timeline, number)


@given(st.integers(0, (1 << 64) - 1))
def test_positions_survive_being_written(lsn: int) -> None:
    assert wal.parse_lsn(wal.format_lsn(lsn)) == lsn


@pytest.mark.parametrize("text", ["", "0", "0/", "/1", "0/1/2", "0/G", "0/123456789", " 0/1", "-1/0"])
def test_other_texts_are_no_positions(text: str) -> None:
    with pytest.raises(ValueError, match="is not an LSN"):
        wal.parse_lsn(text)


def test_a_history_file_is_read_without_its_comments() -> None:
    text = "# comment\n\n1\t0/A000198\tno recovery target specified\n2\t0/1F000000\tbefore 2026-11-24 10:00:00+00\n"
    assert wal.parse_history(text) == (
        Switch(1, 0xA000198, "no recovery target specified"),
        Switch(2, 0x1F000000, "before 2026-11-24 10:00:00+00"),
    )


@pytest.mark.parametrize("text", ["x", "1 nowhere", "2\t0/2\n1\t0/3\n", "1\t0/3\n2\t0/2\n"])
def test_what_cannot_be_a_history_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="history file"):
        wal.parse_history(text)


@pytest.mark.parametrize(
    ("switch", "first_of_new"),
    [("0/3000000", 3), ("0/3000001", 3), ("0/3FFFFFF", 3), ("0/2FFFFFF", 2)],
)
def test_the_segment_of_the_switch_is_read_from_the_new_timeline(switch: str, first_of_new: int) -> None:
    histories = {2: (Switch(1, wal.parse_lsn(switch), ""),)}
    assert wal.path_to(2, histories) == (Stretch(1, 0, first_of_new - 1), Stretch(2, first_of_new, None))


def test_the_way_to_a_timeline_needs_its_history() -> None:
    assert wal.path_to(1, {}) == (Stretch(1, 0, None),)
    with pytest.raises(KeyError):
        wal.path_to(2, {})
