# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Controller's side of module silence."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ..module_utils.kube.errors import KubeError
from ..module_utils.kube.lease import Run
from ..module_utils.prometheus import silences
from ..module_utils.prometheus.alertmanager import Alertmanager
from ..module_utils.prometheus.client import Prometheus
from ..module_utils.prometheus.errors import SettingsError, UnavailableError
from ..module_utils.prometheus.silences import Silence, Wish
from ..plugin_utils.options import COMMON_ARGUMENTS, validated
from ..plugin_utils.prometheus import SERVICES, services

ARGUMENTS: dict[str, Any] = {
    **COMMON_ARGUMENTS,
    **SERVICES,
    "alert": {"type": "str", "default": ""},
    "matchers": {"type": "list", "elements": "str", "default": []},
    "minutes": {"type": "int"},
    "end": {"type": "str", "default": ""},
    "most_minutes": {"type": "int", "default": 10080},
    "reason": {"type": "str", "default": ""},
    "who": {"type": "str", "default": ""},
    "expire": {"type": "list", "elements": "str", "default": []},
}

display = Display()


class ActionModule(ActionBase):
    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        arguments = validated(self, ARGUMENTS)
        try:
            prometheus, alertmanager = services(arguments)
            if arguments["expire"]:
                done = self._expire(arguments, alertmanager)
            else:
                done = self._silence(arguments, prometheus, alertmanager)
        except (KubeError, UnavailableError, SettingsError) as error:
            result.update(failed=True, msg=str(error))
            return result
        result.update(done)
        display.display(f"  {result['msg']}")
        return result

    def _silence(self, arguments: dict[str, Any], prometheus: Prometheus, alertmanager: Alertmanager) -> dict[str, Any]:
        now = datetime.now(UTC)
        wish = Wish(
            matchers=silences.matchers_of(arguments["alert"], arguments["matchers"]),
            ends=silences.end_of(arguments["minutes"], arguments["end"], now, arguments["most_minutes"]),
            reason=silences.reason_of(arguments["reason"]),
            who=Run.current(arguments["who"]).who,
        )
        warnings = _refuse_unknown(arguments["alert"], prometheus)
        there = silences.same(wish, map(Silence.of, alertmanager.silences()))
        if there is not None and silences.suffices(wish, there):
            told = f"{there.words()} is silenced already, until {_clock(there.ends)} ({there.identity})."
            result = {"changed": False, "id": there.identity, "ends": there.ends.isoformat(), "msg": told}
            return {**result, "warnings": warnings}
        identity = there.identity if there is not None else ""
        if not self._task.check_mode:
            identity = alertmanager.silence(wish.body(now, there))
        verb = "would be" if self._task.check_mode else "is"
        return {
            "changed": True,
            "id": identity,
            "ends": wish.ends.isoformat(),
            "msg": f"{silences.words_of(wish.matchers)} {verb} silenced until {_clock(wish.ends)}"
            f"{f' ({identity})' if identity else ''}.",
            "warnings": warnings,
        }

    def _expire(self, arguments: dict[str, Any], alertmanager: Alertmanager) -> dict[str, Any]:
        if any(arguments[name] for name in ("alert", "matchers", "minutes", "end", "reason")):
            raise SettingsError("expire ends silences that there are: nothing else goes with it.")
        going = silences.to_expire(arguments["expire"], map(Silence.of, alertmanager.silences()))
        if not self._task.check_mode:
            for each in going:
                alertmanager.expire(each.identity)
        words = "; ".join(each.words() for each in going)
        verb = "would no longer be" if self._task.check_mode else "is no longer"
        told = f"{words} {verb} silenced." if going else "That silence was over already."
        return {"changed": bool(going), "expired": [each.identity for each in going], "msg": told}


def _refuse_unknown(alert: str, prometheus: Prometheus) -> list[str]:
    """Without a Prometheus that answers, the name is taken as it is."""
    try:
        names = prometheus.alert_names()
    except UnavailableError as error:
        return [f"Whether there is such an alert is not known: {error}"]
    silences.refuse_unknown(alert, names)
    return []


def _clock(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
