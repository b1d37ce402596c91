# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Controller's side of module health."""

from __future__ import annotations

from functools import partial
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ..module_utils.kube.connection import Connection
from ..module_utils.kube.errors import KubeError
from ..module_utils.kube.lease import keeper_on
from ..module_utils.release import smoke
from ..module_utils.release.service import service_health
from ..plugin_utils.connect import connect
from ..plugin_utils.options import COMMON_ARGUMENTS, validated

ARGUMENTS: dict[str, Any] = {
    **COMMON_ARGUMENTS,
    "service": {"type": "str", "default": ""},
    "url": {"type": "str", "default": ""},
    "path": {"type": "str", "default": "/api/v1/health"},
    "paths": {"type": "list", "elements": "str", "default": []},
    "version": {"type": "str", "default": ""},
    "seconds": {"type": "int", "default": 30},
    "lease": {"type": "dict"},
}

display = Display()


class ActionModule(ActionBase):
    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        arguments = validated(self, ARGUMENTS, required_one_of=[["service", "url"]])
        result.update(changed=False, passed=[])
        if self._task.check_mode:
            result["msg"] = "Nothing is asked in check mode."
            return result
        try:
            self._ask(arguments, result)
        except KubeError as error:
            result.update(failed=True, msg=str(error))
        return result

    def _ask(self, arguments: dict[str, Any], result: dict[str, Any]) -> None:
        connection = Connection(partial(connect, arguments))
        beat = keeper_on(connection, arguments["namespace"], arguments["lease"])
        for place in _places(connection, arguments):
            verdict = smoke.check(place, arguments["version"], arguments["seconds"], _say, beat=beat)
            _say(verdict.sentence)
            if not verdict.passed:
                raise KubeError(verdict.sentence[:1].upper() + verdict.sentence[1:])
            result["passed"].append(verdict.sentence)


def _say(line: str) -> None:
    display.display(f"  {line}")


def _places(connection: Connection, arguments: dict[str, Any]) -> list[smoke.Place]:
    namespace, service, url, health = (arguments[name] for name in ("namespace", "service", "url", "path"))
    if service:
        connection.client()  # without a login nothing can be said of the application
    found = []
    for path in (health, *arguments["paths"]):
        is_health = path == health
        if service:
            words = f"Service {service}{'' if is_health else path}"
            found.append(smoke.Place(words, partial(service_health, connection, namespace, service, path), is_health))
        if url:
            address = f"{url.rstrip('/')}{path}"
            found.append(smoke.Place(address, partial(smoke.outside, address), is_health))
    return found
