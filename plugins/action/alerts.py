# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Controller's side of module alerts."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ..module_utils.prometheus import alerts
from ..module_utils.prometheus.errors import SettingsError, UnavailableError
from ..module_utils.prometheus.silences import Silence
from ..plugin_utils.options import COMMON_ARGUMENTS, validated
from ..plugin_utils.prometheus import SERVICES, services

ARGUMENTS: dict[str, Any] = {
    **COMMON_ARGUMENTS,
    **SERVICES,
}

display = Display()


class ActionModule(ActionBase):
    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        arguments = validated(self, ARGUMENTS)
        result.update(changed=False)
        try:
            result.update(_look(arguments))
        except (UnavailableError, SettingsError) as error:
            result.update(failed=True, msg=str(error))
            return result
        display.display("\n".join(["", *result["lines"], ""]))
        return result


def _look(arguments: dict[str, Any]) -> dict[str, Any]:
    prometheus, alertmanager = services(arguments)
    given = prometheus.alerts()
    known: list[dict[str, Any]] = []
    silences: list[Silence] = []
    warnings = []
    try:
        known = alertmanager.alerts()
        silences = [each for each in map(Silence.of, alertmanager.silences()) if not each.is_over]
    except UnavailableError as error:
        warnings.append(f"{error} Nobody is told of alerts meanwhile, and what is silenced is not known.")
    found = alerts.firing(given, known)
    shown, notes = alerts.shown(found), alerts.notes(found, given)
    lines = alerts.table(shown, datetime.now(UTC)) if shown else ["Nothing fires."]
    if silences:
        lines += ["", *alerts.silence_table(silences)]
    return {
        "alerts": [asdict(each) for each in shown],
        "silences": [_as_data(each) for each in silences],
        "notes": notes,
        "lines": [*lines, *([""] if notes else []), *notes],
        "warnings": warnings,
    }


def _as_data(silence: Silence) -> dict[str, Any]:
    return {
        "id": silence.identity,
        "matchers": [each.words() for each in sorted(silence.matchers)],
        "ends": silence.ends.isoformat(),
        "reason": silence.reason,
        "who": silence.who,
    }
