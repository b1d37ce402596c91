# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a recovery aims at, in the one form in which it cannot be misread."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from . import times, wal
from .errors import RefusedError

_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d(:?\d\d)?)?")
_NAME = re.compile(r"[^\x00-\x1f\x7f'\\]{1,63}")
_FORMS = (
    "Give latest, a time with its offset such as 2026-11-24T10:30:00+01:00, lsn:0/3000000, xid:1234,"
    " or name:<restore point>."
)


@dataclass(frozen=True)
class Target:
    """Exactly one of: the end of the archive, a moment, a position, a transaction, a named restore point.

    C(kind) is latest, time, lsn, xid or name, as pgBackRest's --type knows them but for latest.
    """

    kind: str
    value: str = ""
    moment: datetime | None = None
    lsn: int | None = None

    @classmethod
    def parse(cls, text: str) -> Target:
        """Raises RefusedError for what is not exactly one target, and for a time without an offset."""
        text = text.strip()
        kind, colon, value = text.partition(":")
        if text == "latest":
            return cls("latest")
        if colon and kind == "lsn":
            return cls._position(value)
        if colon and kind == "xid":
            if not value.isascii() or not value.isdigit() or not 3 <= int(value) < 1 << 32:
                raise RefusedError(f"{value} is not a transaction id: it is a number from 3 to 4294967295.")
            return cls("xid", value)
        if colon and kind == "name":
            if not _NAME.fullmatch(value):
                raise RefusedError("The name of a restore point has 1 to 63 characters, and no quotes.")
            return cls("name", value)
        return cls._moment(text)

    @classmethod
    def _position(cls, value: str) -> Target:
        try:
            lsn = wal.parse_lsn(value)
        except ValueError as error:
            raise RefusedError(f"{error}.") from None
        return cls("lsn", wal.format_lsn(lsn), lsn=lsn)

    @classmethod
    def _moment(cls, text: str) -> Target:
        if not _TIME.fullmatch(text):
            raise RefusedError(f"{text!r} is not a target. {_FORMS}")
        try:
            moment = times.parse(text)
        except ValueError as error:
            raise RefusedError(f"{error}.") from None
        return cls("time", times.iso(moment), moment)

    @property
    def text(self) -> str:
        """What parse() reads back."""
        return (
            self.value
            if self.kind in ("time", "latest") and self.value
            else ":".join(filter(None, (self.kind, self.value)))
        )

    def to_dict(self) -> dict[str, Any]:
        return {"kind": self.kind, "value": self.value, "text": self.text}
