"""Reads typed values from environment variables."""

from collections.abc import Mapping
from math import nan

from hustlex_api.errors import ConfigurationError


class Reader:
    """Collects every problem, so that all are named at once."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.environ = environ
        self.problems: list[str] = []

    def text(self, name: str, default: str | None = None, choices: tuple[str, ...] = ()) -> str:
        given = self.environ.get(name, "")
        value = given if given.strip() else default
        if value is None:
            self.problems.append(f"{name} is missing or empty")
            return ""
        if choices and value not in choices:
            self.problems.append(f"{name} must be one of {', '.join(choices)}, not {value!r}")
        return value

    def number(self, name: str, default: float | None = None, low: float = 0, high: float = 86400) -> float:
        return self._number(name, default, low, high, "a number")

    def whole(self, name: str, default: int | None = None, low: int = 0, high: int = 86400) -> int:
        return int(self._number(name, default, low, high, "a whole number"))

    def port(self, name: str, default: int | None = None) -> int:
        return self.whole(name, default, 1, 65535)

    def _number(self, name: str, default: float | None, low: float, high: float, what: str) -> float:
        text = self.text(name, None if default is None else str(default))
        try:
            value = float(text)
        except ValueError:
            value = nan
        if low <= value <= high and (what == "a number" or value.is_integer()):
            return value
        if text:
            self.problems.append(f"{name} must be {what} from {low:g} to {high:g}, not {text!r}")
        return low

    def done(self) -> None:
        if self.problems:
            raise ConfigurationError(self.problems)
