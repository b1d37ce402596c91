# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Controller's side of module rollout."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ..module_utils.kube.errors import KubeError, MissingKubeconfigError
from ..module_utils.kube.named import Named, parsed, present
from ..module_utils.kube.rolling import Rolled, restart, undo
from ..module_utils.kube.rollout import Scope, look
from ..plugin_utils.connect import connect
from ..plugin_utils.options import COMMON_ARGUMENTS, validated
from ..plugin_utils.waiting import WAIT_ARGUMENTS, examined, seen, wait

ARGUMENTS: dict[str, Any] = {
    **COMMON_ARGUMENTS,
    **WAIT_ARGUMENTS,
    "sets": {"type": "list", "elements": "str"},
    "without": {"type": "list", "elements": "str", "default": []},
    "workloads": {"type": "list", "elements": "str"},
    "state": {"type": "str", "choices": ["ready", "restarted", "undone", "examined"], "default": "ready"},
    "to_revision": {"type": "int", "default": 0},
}
NAMING = [["sets", "workloads"]]

display = Display()


class ActionModule(ActionBase):
    _requires_connection = False
    _supports_check_mode = True
    _supports_diff = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        arguments = validated(self, ARGUMENTS, required_one_of=NAMING, mutually_exclusive=NAMING)
        rolled: list[Rolled] = []
        try:
            _refuse_contradictions(arguments)
            if arguments["state"] == "examined":
                result.update(examined(arguments, _scope(arguments)))
            elif self._task.check_mode:
                result.update(self._report_only(arguments, rolled))
            else:
                scope = self._roll(arguments, rolled)
                names = ", ".join(arguments["sets"] or arguments["workloads"])
                result.update(wait(arguments, scope, names, display.display))
        except KubeError as error:
            result.update(failed=True, msg=str(error))
        changes = [each.change for each in rolled if each.change.changes_something]
        result["changed"] = result.get("changed", False) or bool(changes)
        if arguments["state"] in ("restarted", "undone"):
            result["changes"] = [each.words for each in rolled]
            if self._task.diff:
                result["diff"] = [change.diff() for change in changes]
        return result

    def _report_only(self, arguments: dict[str, Any], rolled: list[Rolled]) -> dict[str, Any]:
        try:
            client = connect(arguments)
        except MissingKubeconfigError as error:
            changed = arguments["state"] != "ready"
            return {"changed": changed, "workloads": [], "seconds": 0.0, "msg": str(error)}
        return seen(look(client, self._roll(arguments, rolled)))

    def _roll(self, arguments: dict[str, Any], rolled: list[Rolled]) -> Scope:
        """Begin what is to be waited for, adding it to `rolled`; in check mode the API server says what it would do."""
        scope = _scope(arguments)
        if arguments["state"] == "ready" and not isinstance(scope, Named):
            return scope
        client = connect(arguments)
        workloads = present(client, scope) if isinstance(scope, Named) else scope.workloads(client)
        dry_run: bool = self._task.check_mode
        if arguments["state"] == "restarted":
            rolled += restart(client, workloads, datetime.now(UTC), dry_run)
        elif arguments["state"] == "undone":
            rolled += undo(client, workloads, arguments["to_revision"], dry_run)
        for each in rolled:
            display.display(f"  {each.words}")
        return scope


def _scope(arguments: dict[str, Any]) -> Scope:
    if arguments["workloads"]:
        return Named(arguments["namespace"], (), (), parsed(arguments["workloads"]))
    return Scope(arguments["namespace"], arguments["sets"] or [], arguments["without"])


def _refuse_contradictions(arguments: dict[str, Any]) -> None:
    if arguments["without"] and not arguments["sets"]:
        raise KubeError(
            "Option without takes workloads out of sets: with option workloads there is nothing to take out."
        )
    if arguments["to_revision"] < 0:
        raise KubeError(
            f"There is no revision {arguments['to_revision']}: to_revision counts from 1, and 0 is the one before."
        )
    if arguments["to_revision"] and (arguments["state"] != "undone" or len(arguments["workloads"] or []) != 1):
        raise KubeError(
            "Each workload counts its revisions by itself: to_revision goes with state undone and exactly one of workloads."
        )
