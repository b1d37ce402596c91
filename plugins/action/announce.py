# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Controller's side of module announce."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ..module_utils.announce import Announcement, grafana, tell, webhook
from ..plugin_utils.options import validated

ARGUMENTS: dict[str, Any] = {
    "event": {"type": "str", "choices": ["start", "success", "failure"], "required": True},
    "text": {"type": "str", "required": True},
    "tags": {"type": "list", "elements": "str", "default": []},
    "webhook_url": {"type": "str", "default": "", "no_log": True},
    "grafana_url": {"type": "str", "default": ""},
    "grafana_token_file": {"type": "path", "default": "", "no_log": False},
    "timeout": {"type": "int", "default": 5},
}

display = Display()


class ActionModule(ActionBase):
    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        arguments = validated(self, ARGUMENTS)
        told = {} if self._task.check_mode else _tell(arguments)
        problems = [f"{name} was not told: {problem}; the run goes on." for name, problem in told.items() if problem]
        for problem in problems:
            display.warning(problem)
        delivered = [name for name, problem in told.items() if not problem]
        result.update(changed=False, delivered=delivered, problems=problems)
        return result


def _tell(arguments: dict[str, Any]) -> dict[str, str]:
    announcement = Announcement(arguments["event"], arguments["text"], tuple(arguments["tags"]), datetime.now(UTC))
    receivers = []
    if arguments["webhook_url"]:
        receivers.append(webhook(arguments["webhook_url"], announcement))
    if arguments["grafana_url"]:
        receivers.append(grafana(arguments["grafana_url"], arguments["grafana_token_file"], announcement))
    return tell(receivers, arguments["timeout"])
