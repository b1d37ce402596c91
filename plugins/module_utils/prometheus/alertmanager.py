# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Alertmanager: which alerts it keeps to itself, and its silences.

The API: https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml
"""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any, Protocol
from urllib.parse import quote

from .errors import SettingsError, UnavailableError

_PATH = "/api/v2"


class Door(Protocol):
    """Where Alertmanager is; see client.ServiceProxy."""

    @property
    def name(self) -> str: ...

    def send(self, method: str, path: str, body: Any = None) -> tuple[int, bytes]: ...


class Alertmanager:
    """Every method raises UnavailableError when it gives no answer that can be used."""

    def __init__(self, door: Door) -> None:
        self._door = door

    def alerts(self) -> list[dict[str, Any]]:
        """What Prometheus told it, with what it does about each."""
        return self._objects("/alerts")

    def silences(self) -> list[dict[str, Any]]:
        """All of them, those that are over included."""
        return self._objects("/silences")

    def silence(self, body: dict[str, Any]) -> str:
        """Make a silence, or change the one whose `id` the body has; its id. Raises SettingsError if it is refused."""
        answer = self._asked("POST", "/silences", body)
        try:
            return str(answer["silenceID"])
        except (KeyError, TypeError) as error:
            raise self._no_answer() from error

    def expire(self, identity: str) -> None:
        """End a silence now."""
        self._asked("DELETE", f"/silence/{quote(identity, safe='')}", empty=True)

    def _objects(self, path: str) -> list[dict[str, Any]]:
        found = self._asked("GET", path)
        if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
            raise self._no_answer()
        return found

    def _asked(self, method: str, path: str, body: Any = None, empty: bool = False) -> Any:
        status, raw = self._door.send(method, f"{_PATH}{path}", body)
        try:
            answer = json.loads(raw)
        except ValueError:
            answer = None
        if status == HTTPStatus.BAD_REQUEST and isinstance(answer, str):
            raise SettingsError(f"Alertmanager refuses it: {answer.strip().rstrip('.')}.")
        if status != HTTPStatus.OK:
            words = str((answer.get("message") if isinstance(answer, dict) else answer) or "no reason given")
            raise UnavailableError(f"{self._door.name} gives no answer ({status}): {words.strip().rstrip('.')}.")
        if answer is None and not empty:
            raise self._no_answer()
        return answer

    def _no_answer(self) -> UnavailableError:
        return UnavailableError(f"{self._door.name} does not answer as Alertmanager does: is it another program?")
