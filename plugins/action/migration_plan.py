# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Controller's side of module migration_plan."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ..module_utils.kube import migration_plan
from ..module_utils.kube.client import Client
from ..module_utils.kube.errors import KubeError, MissingKubeconfigError
from ..module_utils.kube.migration_plan import Running, Wish
from ..plugin_utils.connect import connect
from ..plugin_utils.options import COMMON_ARGUMENTS, validated

ARGUMENTS: dict[str, Any] = {
    **COMMON_ARGUMENTS,
    "direction": {"type": "str", "default": "status"},
    "steps": {"type": "str", "default": "1"},
    "environment": {"type": "str", "required": True},
    "confirm": {"type": "str", "default": ""},
    "force": {"type": "bool", "default": False},
    "deployment": {"type": "str", "required": True},
    "port": {"type": "int", "default": 8080},
    "image": {"type": "str", "default": ""},
    "default_image": {"type": "str", "default": ""},
}

display = Display()


class ActionModule(ActionBase):
    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        arguments = validated(self, ARGUMENTS)
        wish = Wish(arguments["direction"], arguments["steps"], arguments["environment"], arguments["confirm"])
        try:
            result.update(self._plan(arguments, wish))
        except KubeError as error:
            result.update(failed=True, msg=str(error))
        return result

    def _plan(self, arguments: dict[str, Any], wish: Wish) -> dict[str, Any]:
        # To look at it, nobody has to confirm it.
        confirmed = self._task.check_mode or wish.confirm == wish.environment
        command = migration_plan.arguments(wish, confirmed)
        client = self._client(arguments)
        image = _image(client, arguments)
        pods = self._checked(client, arguments, wish) if client and wish.direction == "down" else []
        verb = "Would run" if self._task.check_mode else "Runs"
        text = f"{verb} ./api {' '.join(command)} with the image {image}"
        display.display(f"  {text}")
        return {"changed": False, "args": command, "image": image, "pods": [asdict(pod) for pod in pods], "msg": text}

    def _client(self, arguments: dict[str, Any]) -> Client | None:
        try:
            return connect(arguments)
        except MissingKubeconfigError:
            if not self._task.check_mode:
                raise
            return None

    def _checked(self, client: Client, arguments: dict[str, Any], wish: Wish) -> list[Running]:
        pods = migration_plan.ask(client, arguments["namespace"], arguments["deployment"], arguments["port"])
        objection = migration_plan.objection(pods, migration_plan.count(wish.steps))
        if objection and not arguments["force"]:
            raise KubeError(f"{objection} To do it nevertheless, add -e force=true.")
        if objection:
            display.warning(objection)
        return pods


def _image(client: Client | None, arguments: dict[str, Any]) -> str:
    namespace, deployment = arguments["namespace"], arguments["deployment"]
    live = migration_plan.live_image(client, namespace, deployment) if client and not arguments["image"] else ""
    image: str = arguments["image"] or live or arguments["default_image"]
    if not image:
        raise KubeError(
            f"Deployment {deployment} is not in namespace {namespace}, so that it is not known whose migrations are meant:"
            " add -e version=v1.2.3."
        )
    return image
