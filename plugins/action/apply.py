# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase

from ..module_utils.kube import manifests
from ..module_utils.kube.errors import KubeError
from ..plugin_utils.options import COMMON_ARGUMENTS, validated
from ..plugin_utils.render_dir import write_set
from ..plugin_utils.templates import find_templates, render

ARGUMENTS: dict[str, Any] = {
    **COMMON_ARGUMENTS,
    "name": {"type": "str", "required": True},
    "templates": {"type": "list", "elements": "str"},
    "manifests": {"type": "list", "elements": "dict"},
    "prune": {"type": "bool", "default": True},
    "render_dir": {"type": "path", "default": ""},
    "check_capacity": {"type": "bool", "default": True},
}


class ActionModule(ActionBase):
    _requires_connection = False
    _supports_check_mode = True
    _supports_diff = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        arguments = validated(self, ARGUMENTS, required_one_of=[["templates", "manifests"]])
        try:
            desired = self._desired(arguments, task_vars or {})
            result.update(self._render(arguments, desired))
        except KubeError as error:
            result.update(failed=True, msg=str(error))
        return result

    def _desired(self, arguments: dict[str, Any], variables: dict[str, Any]) -> list[manifests.Manifest]:
        if arguments["templates"]:
            search_path = self._task.get_search_path()
            paths = find_templates(arguments["templates"], search_path)
            loaded = manifests.load(render(self._templar, paths, search_path, variables))
        else:
            loaded = [("manifests", item) for item in arguments["manifests"]]
        return manifests.prepare(loaded, arguments["name"], arguments["namespace"])

    def _render(self, arguments: dict[str, Any], desired: list[manifests.Manifest]) -> dict[str, Any]:
        folder = Path(arguments["render_dir"]).expanduser()
        changed = write_set(folder, arguments["name"], desired, dry_run=self._task.check_mode)
        return {
            "changed": bool(changed),
            "files": [str(path) for path in changed],
            "objects": [
                {"kind": item["kind"], "name": item["metadata"]["name"], "action": "rendered"} for item in desired
            ],
        }
