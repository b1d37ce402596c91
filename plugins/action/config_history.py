# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Controller's side of module config_history."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ..module_utils.git_history import HistoryError, Repository, UnreachableRepositoryError, record
from ..plugin_utils.options import validated

ARGUMENTS: dict[str, Any] = {
    "repository": {"type": "str", "required": True},
    "branch": {"type": "str", "default": "main"},
    "author_name": {"type": "str", "default": "HustleX"},
    "author_email": {"type": "str", "default": "hustlex@localhost"},
    "source": {"type": "path", "required": True},
    "folder": {"type": "str", "required": True},
    "required": {"type": "bool", "default": True},
}

display = Display()


class ActionModule(ActionBase):
    _requires_connection = False
    _supports_check_mode = True
    _supports_diff = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        arguments = validated(self, ARGUMENTS)
        repository = Repository(
            arguments["repository"], arguments["branch"], arguments["author_name"], arguments["author_email"]
        )
        try:
            done = record(repository, Path(arguments["source"]), arguments["folder"], self._task.check_mode)
        except UnreachableRepositoryError as error:
            if arguments["required"]:
                return result | {"failed": True, "msg": str(error)}
            display.warning(f"{error} The configuration is not recorded this time; the next run does it.")
            return result | {"changed": False, "commit": "", "stat": [], "msg": str(error)}
        except HistoryError as error:
            return result | {"failed": True, "msg": str(error)}
        if done.changed:
            display.display("\n".join(f"  {line}" for line in done.stat))
        result.update(changed=done.changed, commit=done.commit, stat=done.stat)
        if self._task.diff and done.diff:
            result["diff"] = {"prepared": done.diff}
        return result
