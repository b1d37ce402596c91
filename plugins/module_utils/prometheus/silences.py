# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Silences of Alertmanager: what a person asks for, and whether it is there already. Pure functions."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from .errors import SettingsError

# A silence that ends so little earlier than what is asked for was asked for a moment ago.
TOLERANCE = timedelta(minutes=1)
_MATCHER = re.compile(r"""\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*(=~|!~|!=|=)\s*("?)(.*?)\3\s*""")
_OPERATORS = {(False, True): "=", (False, False): "!=", (True, True): "=~", (True, False): "!~"}


@dataclass(frozen=True, order=True)
class Matcher:
    """`name=value` and its kin; a regular expression must match the whole value."""

    name: str
    value: str
    is_regex: bool = False
    is_equal: bool = True

    @classmethod
    def parsed(cls, text: str) -> Matcher:
        match = _MATCHER.fullmatch(text)
        if match is None or (not match[4] and match[2] in ("=", "=~")):
            raise SettingsError(
                f'"{text}" is no matcher: write label=value, label!=value, label=~regex or label!~regex.'
            )
        if "~" in match[2]:
            _check_regex(match[4])
        return cls(match[1], match[4], "~" in match[2], "!" not in match[2])

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Matcher:
        return cls(str(data["name"]), str(data["value"]), bool(data["isRegex"]), bool(data.get("isEqual", True)))

    def data(self) -> dict[str, Any]:
        return {"name": self.name, "value": self.value, "isRegex": self.is_regex, "isEqual": self.is_equal}

    def words(self) -> str:
        return f"{self.name}{_OPERATORS[self.is_regex, self.is_equal]}{self.value}"


@dataclass(frozen=True)
class Silence:
    """One that there is. state: pending, active or expired."""

    identity: str
    matchers: frozenset[Matcher]
    starts: datetime
    ends: datetime
    reason: str
    who: str
    state: str

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Silence:
        return cls(
            identity=str(data["id"]),
            matchers=frozenset(Matcher.of(each) for each in data["matchers"]),
            starts=datetime.fromisoformat(data["startsAt"]),
            ends=datetime.fromisoformat(data["endsAt"]),
            reason=str(data.get("comment") or ""),
            who=str(data.get("createdBy") or ""),
            state=str((data.get("status") or {}).get("state") or ""),
        )

    @property
    def is_over(self) -> bool:
        return self.state == "expired"

    def words(self) -> str:
        return words_of(self.matchers)


@dataclass(frozen=True)
class Wish:
    """The silence that a person wants."""

    matchers: frozenset[Matcher]
    ends: datetime
    reason: str
    who: str

    def body(self, now: datetime, there: Silence | None) -> dict[str, Any]:
        """As the API takes it; there: the silence that is changed, which must keep its start."""
        body = {
            "matchers": [each.data() for each in sorted(self.matchers)],
            "startsAt": (there.starts if there else now).astimezone(UTC).isoformat(),
            "endsAt": self.ends.astimezone(UTC).isoformat(),
            "createdBy": self.who,
            "comment": self.reason,
        }
        return {**body, "id": there.identity} if there else body


def words_of(matchers: Iterable[Matcher]) -> str:
    return ", ".join(each.words() for each in sorted(matchers))


def matchers_of(alert: str, texts: Sequence[str]) -> frozenset[Matcher]:
    """Of an alert's name and further matchers; both together mean: the alert, where these match, too."""
    found = [Matcher.parsed(text) for text in texts]
    if alert:
        found.append(Matcher("alertname", alert))
    if not found:
        raise SettingsError("Say what is silenced: -e alert=NAME, or -e matchers=label=value.")
    return frozenset(found)


def end_of(minutes: int | None, end: str, now: datetime, most_minutes: int) -> datetime:
    """When the silence ends. Raises SettingsError for one without an end, with one in the past, or too long a one."""
    limits = f"1 to {most_minutes}"
    if (minutes is None) == (not end):
        raise SettingsError(
            f"Say when the silence ends: -e minutes=N ({limits}), or -e end=TIME, such as 2026-07-01T09:30Z."
        )
    if minutes is not None:
        ends = now + timedelta(minutes=max(-1, min(minutes, most_minutes + 1)))
        given = f"minutes={minutes}"
    else:
        ends, given = _moment(end), f"end={end}"
    if ends <= now:
        raise SettingsError(f"{given} is not in the future: a silence needs an end that is yet to come.")
    if ends > now + timedelta(minutes=most_minutes):
        raise SettingsError(f"{given} is too long: a silence lasts {limits} minutes, and can be set again.")
    return ends


def reason_of(text: str) -> str:
    reason = " ".join(text.split())
    if not reason:
        raise SettingsError("""Say why, with -e "reason='...'": who is on call next must know.""")
    return reason


def refuse_unknown(alert: str, names: Iterable[str]) -> None:
    """A silence of an alert that does not exist silences nothing, and nobody notices."""
    known = sorted(names)
    if alert and known and alert not in known:
        close = difflib.get_close_matches(alert, known, n=1)
        hint = f"did you mean {close[0]}?" if close else "docs/monitoring.md lists them all."
        raise SettingsError(f"There is no alert {alert}; {hint}")


def same(wish: Wish, silences: Iterable[Silence]) -> Silence | None:
    """The silence that is meant: the one with the same matchers that is in force."""
    found = [each for each in silences if each.matchers == wish.matchers and each.state == "active"]
    return max(found, key=lambda each: each.ends, default=None)


def suffices(wish: Wish, silence: Silence) -> bool:
    return silence.reason == wish.reason and silence.ends >= wish.ends - TOLERANCE


def to_expire(identities: Iterable[str], silences: Iterable[Silence]) -> list[Silence]:
    """Those of the silences that are not over yet; SettingsError when one does not exist."""
    known = {each.identity: each for each in silences}
    asked = list(dict.fromkeys(identities))
    if absent := [each for each in asked if each not in known]:
        raise SettingsError(
            f"There is no silence {', '.join(absent)}: playbooks/alerts.yml lists those that there are."
        )
    return [known[each] for each in asked if not known[each].is_over]


def _moment(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = datetime.min
    if found.tzinfo is None:
        raise SettingsError(f'end must be a time with its zone, such as 2026-07-01T09:30Z, not "{text}".')
    return found


def _check_regex(text: str) -> None:
    try:
        re.compile(text)
    except re.error as error:
        raise SettingsError(f'"{text}" is no regular expression: {error}.') from error
