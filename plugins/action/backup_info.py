# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Controller's side of module backup_info."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ..module_utils.backup.errors import BackupError
from ..module_utils.backup_report.from_catalogue import view_of
from ..module_utils.backup_report.svg import drawing
from ..module_utils.backup_report.text import report
from ..plugin_utils.options import validated
from ..plugin_utils.store import STORE_ARGUMENTS, catalogue_of

ARGUMENTS: dict[str, Any] = {
    **STORE_ARGUMENTS,
    "name": {"type": "str"},
    "show": {"type": "bool", "default": True},
    "json": {"type": "path"},
    "svg": {"type": "path"},
}

display = Display()


class ActionModule(ActionBase):
    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        arguments = validated(self, ARGUMENTS)
        try:
            catalogue = catalogue_of(arguments)
            view = view_of(catalogue, arguments["name"] or arguments["store"]["bucket"])
            lines = report(view)
            if arguments["show"]:
                display.display("\n".join(["", *lines, ""]))
            text = json.dumps(catalogue.to_dict(), indent=2) + "\n"
            written = [
                self._write(Path(path), content)
                for path, content in ((arguments["json"], text), (arguments["svg"], drawing(view)))
                if path
            ]
        except BackupError as error:
            return result | {"failed": True, "msg": str(error)}
        return result | {"changed": bool(written), "files": written, "backups": view.to_dict(), "table": lines}

    def _write(self, path: Path, content: str) -> str:
        if self._task.check_mode:
            return str(path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="utf-8")
        except OSError as error:
            raise BackupError(f"{path} cannot be written ({error.strerror}): name another file.") from error
        return str(path)
