# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase

from ..module_utils.kube.context_namespace import ContextError, file_of_context, replace_file, with_namespace
from ..module_utils.kube.errors import MissingKubeconfigError
from ..module_utils.kube.login import auth_spec, kubeconfig_paths, require_file
from ..plugin_utils.options import COMMON_ARGUMENTS, auth_options, validated


class ActionModule(ActionBase):
    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        arguments = validated(self, COMMON_ARGUMENTS)
        auth = auth_spec(auth_options(arguments))
        try:
            require_file(auth)
            path, before, context = file_of_context(kubeconfig_paths(auth), auth.get("context") or "")
            after, changed = with_namespace(before, context, arguments["namespace"])
            if changed and not self._task.check_mode:
                replace_file(path, after)
        except MissingKubeconfigError as error:
            if self._task.check_mode:
                return result | {"changed": True, "msg": f"There is no context to change yet: {error}"}
            return result | {"failed": True, "msg": str(error)}
        except ContextError as error:
            return result | {"failed": True, "msg": str(error)}
        except OSError as error:
            return result | {"failed": True, "msg": f"{path} cannot be written: {error.strerror}."}
        return result | {"changed": changed}
