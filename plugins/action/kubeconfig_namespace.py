# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import yaml
from ansible.plugins.action import ActionBase

from ..module_utils.kube.context_namespace import ContextError, replace_file, with_namespace
from ..plugin_utils.options import COMMON_ARGUMENTS, validated


class ActionModule(ActionBase):
    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        arguments = validated(self, COMMON_ARGUMENTS)
        source = arguments["kubeconfig"] or os.environ.get("K8S_AUTH_KUBECONFIG") or "~/.kube/config"
        path = Path(str(source)).expanduser()
        try:
            before = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
            after, changed = with_namespace(before, arguments["context"] or "", arguments["namespace"])
            if changed and not self._task.check_mode:
                replace_file(path, after)
        except (ContextError, OSError, yaml.YAMLError) as error:
            return result | {"failed": True, "msg": f"{path}: {error}"}
        return result | {"changed": changed}
