# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Controller's side of module lease."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ..module_utils.kube import lease
from ..module_utils.kube.errors import KubeError, MissingKubeconfigError
from ..plugin_utils.connect import connect
from ..plugin_utils.options import COMMON_ARGUMENTS, validated

ARGUMENTS: dict[str, Any] = {
    **COMMON_ARGUMENTS,
    "name": {"type": "str", "default": lease.OPERATION},
    "state": {"type": "str", "choices": ["held", "released"], "default": "held"},
    "reason": {"type": "str", "default": ""},
    "who": {"type": "str", "default": ""},
    "seconds": {"type": "int", "default": 60},
}

display = Display()


class ActionModule(ActionBase):
    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        arguments = validated(self, ARGUMENTS)
        result.update(changed=False, taken_from="")
        try:
            run = lease.Run.current(arguments["who"])
            result["lease"] = {"name": arguments["name"], "holder": run.identity, "seconds": arguments["seconds"]}
            if arguments["seconds"] < 15:
                raise KubeError(
                    f"A lock of {arguments['seconds']} s would run out between two looks: give it 15 or more."
                )
            if self._task.check_mode:
                self._check(arguments, run)
            elif arguments["state"] == "held":
                result["taken_from"] = self._acquire(arguments, run)
            else:
                client = connect(arguments)
                lease.release(client, arguments["namespace"], arguments["name"], run.identity)
        except KubeError as error:
            result.update(failed=True, msg=str(error))
        return result

    def _acquire(self, arguments: dict[str, Any], run: lease.Run) -> str:
        client = connect(arguments)
        namespace, name = arguments["namespace"], arguments["name"]
        held = lease.acquire(client, namespace, name, run, arguments["reason"], arguments["seconds"])
        if held.taken_from:
            display.display(f"  {held.taken_from} left the lock behind; it is taken over")
        return held.taken_from

    def _check(self, arguments: dict[str, Any], run: lease.Run) -> None:
        try:
            client = connect(arguments)
        except MissingKubeconfigError:
            return
        live = client.find(lease.LEASES, arguments["namespace"], arguments["name"])
        if live is not None and lease.holder_of(live) != run.identity and not lease.is_free(live, client.now()):
            display.warning(lease.held_sentence(live, client.now()))
