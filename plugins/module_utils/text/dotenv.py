# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reading and writing of C(.env) files.

One assignment is C(NAME=value), with an optional C(export). An unquoted value ends with its line or at a blank and
C(#). Single quotes keep everything, double quotes know the escapes C(\\n \\r \\t \\" \\\\ \\$ \\`);
both may span lines.
Nothing is expanded: a C($) in a password is a C($).
Messages carry the line and the name, never anything that could be a value.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
_ASSIGNMENT = re.compile(rf"[ \t]*(?:export[ \t]+)?(?P<name>{_NAME})[ \t]*=[ \t]*")
_BLANK = re.compile(r"[ \t]*(?:#[^\n]*)?(?:\n|\Z)")
_PLAIN = re.compile(r"(?P<value>[^\n]*?)(?:[ \t]+(?:#[^\n]*)?)?(?:\n|\Z)")
_COMMENT_ONLY = re.compile(r"#[^\n]*(?:\n|\Z)")
_SINGLE = re.compile(r"'(?P<value>[^']*)'")
_DOUBLE = re.compile(r'"(?P<value>(?:[^"\\]|\\.)*)"', re.DOTALL)
_ESCAPE = re.compile(r'\\([nrt"\\$`])')
_ESCAPED = {"n": "\n", "r": "\r", "t": "\t"}
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_SAFE = re.compile(r"[A-Za-z0-9_./:@%+,=-]+")


class DotenvError(ValueError):
    """The text is not a C(.env) file; the message names the line."""

    def __init__(self, line: int, problem: str) -> None:
        super().__init__(f"line {line}: {problem}")
        self.line = line


def _value(text: str, start: int, name: str, line: int) -> tuple[str, int]:
    """The value that starts at C(start), and where the rest of its line begins."""
    quote = text[start : start + 1]
    if quote in ("'", '"'):
        match = (_SINGLE if quote == "'" else _DOUBLE).match(text, start)
        if match is None:
            raise DotenvError(line, f"the quoted value of {name} has no closing quote")
        value = match["value"]
        if quote == '"':
            value = _ESCAPE.sub(lambda found: _ESCAPED.get(found[1], found[1]), value)
        return value, match.end()
    before = text[start - 1]
    if before in " \t" and (match := _COMMENT_ONLY.match(text, start)):
        return "", match.start()
    match = _PLAIN.match(text, start)
    if not match:
        raise DotenvError(line, f"the value of {name} cannot be read")
    value = match["value"]
    if _CONTROL.search(value):
        raise DotenvError(line, f"the value of {name} holds a control character; quote it")
    return value, match.end("value")


def parse(text: str) -> dict[str, str]:
    """The names and values of a C(.env) text, in its order.

    Raises DotenvError for a line that is no assignment, an open quote, text after a closing quote,
    a name given twice and a NUL byte.
    """
    text = text.removeprefix("\ufeff").replace("\r\n", "\n")
    values: dict[str, str] = {}
    lines: dict[str, int] = {}
    position, line = 0, 1
    while position < len(text):
        start = position
        if (blank := _BLANK.match(text, position)) is None:
            assignment = _ASSIGNMENT.match(text, position)
            if assignment is None:
                raise DotenvError(line, "not of the form NAME=value")
            name = assignment["name"]
            if name in values:
                raise DotenvError(line, f"{name} was already set on line {lines[name]}")
            value, position = _value(text, assignment.end(), name, line)
            if "\0" in value:
                raise DotenvError(line, f"the value of {name} holds a NUL byte")
            values[name], lines[name] = value, line
            blank = _BLANK.match(text, position)
            if blank is None:
                raise DotenvError(
                    line + text.count("\n", start, position),
                    f"text follows the closing quote of {name}",
                )
        position = blank.end()
        line += text.count("\n", start, position)
    return values


def dump(values: Mapping[str, str]) -> str:
    """A C(.env) text that C(parse) and a POSIX shell read back."""
    return "".join(f"{name}={_quoted(value)}\n" for name, value in values.items())


def _quoted(value: str) -> str:
    if _SAFE.fullmatch(value):
        return value
    if "'" not in value and "\r" not in value:
        return f"'{value}'"
    escaped = re.sub(r'(["\\$`])', r"\\\1", value).replace("\r", "\\r")
    return f'"{escaped}"'
