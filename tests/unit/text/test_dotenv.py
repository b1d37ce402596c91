from __future__ import annotations

import shutil
import subprocess

import pytest
from ansible_collections.hustlex.platform.plugins.module_utils.text.dotenv import DotenvError, dump, parse
from hypothesis import given
from hypothesis import strategies as st

NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True)
VALUES = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=30)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {}),
        ("\n \n# a comment\n  # another\n", {}),
        ("A=1\nB=2", {"A": "1", "B": "2"}),
        ("\ufeffA=1\r\nB=2\r\n", {"A": "1", "B": "2"}),
        ("export A=1\n\texport\tB=2\n", {"A": "1", "B": "2"}),
        ("A = 1 \n", {"A": "1"}),
        ("A=\nB=''\nC=\"\"\nD= # none\n", {"A": "", "B": "", "C": "", "D": ""}),
        ("A=a b # comment\nB=a#b\nC=#c\n", {"A": "a b", "B": "a#b", "C": "#c"}),
        ("A='a # b' # comment\nB=\"c # d\"#comment\n", {"A": "a # b", "B": "c # d"}),
        (r"A='$x \n'" + "\n" + r'B="$x\n\t\"\\\$\`\q"', {"A": r"$x \n", "B": '$x\n\t"\\$`\\q'}),
        ("A='one\ntwo'\nB=\"three\r\nfour\"\n", {"A": "one\ntwo", "B": "three\nfour"}),
        ("A=it's\nB=a\"b\n", {"A": "it's", "B": 'a"b'}),
        ("A=a=b==\n", {"A": "a=b=="}),
    ],
)
def test_forms(text: str, expected: dict[str, str]) -> None:
    assert parse(text) == expected


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("A=1\nhunter2\n", 2, "not of the form NAME=value"),
        ("1A=hunter2", 1, "not of the form NAME=value"),
        ("A-B=hunter2", 1, "not of the form NAME=value"),
        ("=hunter2", 1, "not of the form NAME=value"),
        ("A=1\n\nA=hunter2", 3, "A was already set on line 1"),
        ("X='a\nb'\nA='hunter2\n", 3, "no closing quote"),
        ('A="hunter2\\"', 1, "no closing quote"),
        ("A='1\n2'hunter2\n", 2, "text follows the closing quote of A"),
        ("A=hunter2\x07", 1, "control character"),
        ("A=hunter2\rB=2", 1, "control character"),
        ("A='hunter2\0'", 1, "NUL"),
    ],
)
def test_errors_name_the_line_and_never_the_value(text: str, line: int, problem: str) -> None:
    with pytest.raises(DotenvError, match=problem) as caught:
        parse(text)
    assert caught.value.line == line
    assert "hunter2" not in str(caught.value)


@given(st.dictionaries(NAMES, VALUES, max_size=6))
def test_what_is_written_is_read_back(values: dict[str, str]) -> None:
    assert parse(dump(values)) == values


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        values = parse(text)
    except DotenvError:
        return
    assert parse(dump(values)) == values


@pytest.mark.skipif(shutil.which("sh") is None, reason="needs a POSIX shell")
@pytest.mark.parametrize("value", ["plain", "two words", "$HOME `id` \\n", 'it\'s "so" $HOME \\', "line\nline", ""])
def test_a_shell_reads_it_the_same(value: str) -> None:
    script = f'{dump({"A": value})}printf %s "$A"'
    assert subprocess.run(["sh", "-c", script], capture_output=True, check=True, text=True).stdout == value
