# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Controller's side of module job."""

from __future__ import annotations

from functools import partial
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ..module_utils.kube.errors import ApiError, KubeError, MissingKubeconfigError
from ..module_utils.kube.job import JOBS, Order, planned, run_job
from ..module_utils.kube.job_manifest import Overrides
from ..module_utils.kube.lease import keeper
from ..module_utils.kube.refusal import explain
from ..plugin_utils.connect import connect
from ..plugin_utils.job_result import as_result
from ..plugin_utils.options import COMMON_ARGUMENTS, validated

ARGUMENTS: dict[str, Any] = {
    **COMMON_ARGUMENTS,
    "name": {"type": "str", "required": True},
    "manifest": {"type": "dict"},
    "cron_job": {"type": "str"},
    "container": {"type": "str", "default": ""},
    "command": {"type": "list", "elements": "str", "default": []},
    "args": {"type": "list", "elements": "str", "default": []},
    "env": {"type": "dict", "default": {}},
    "timeout": {"type": "int", "default": 3600},
    "at_timeout": {"type": "str", "choices": ["stop", "leave"], "default": "stop"},
    "adopt_finished": {"type": "bool", "default": False},
    "lease": {"type": "dict"},
}

display = Display()


class ActionModule(ActionBase):
    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        arguments = validated(
            self,
            ARGUMENTS,
            required_one_of=[["manifest", "cron_job"]],
            mutually_exclusive=[["manifest", "cron_job"]],
        )
        order = _order(arguments)
        try:
            if self._task.check_mode:
                result.update(_check(arguments, order))
            else:
                done = run_job(
                    partial(connect, arguments),
                    order,
                    lambda line: display.display(f"  {line}"),
                    beat=keeper(arguments["namespace"], arguments["lease"]),
                )
                result.update(as_result(done, display.display))
        except KubeError as error:
            result.update(failed=True, msg=str(error))
        return result


def _check(arguments: dict[str, Any], order: Order) -> dict[str, Any]:
    would = {"changed": True, "job": order.name, "report": {}, "msg": f"Job {order.name} would run."}
    try:
        client = connect(arguments)
    except MissingKubeconfigError as error:
        return {**would, "msg": f"{would['msg']} {error}"}
    manifest = planned(client, order)
    if client.find(JOBS, order.namespace, order.name) is None:
        try:
            client.apply(JOBS, manifest, dry_run=True)
        except ApiError as error:
            # What this run would create first is no obstacle.
            if error.details.get("kind") != "namespaces":
                raise KubeError(explain(error, manifest, None)) from error
    return would


def _order(arguments: dict[str, Any]) -> Order:
    return Order(
        namespace=arguments["namespace"],
        name=arguments["name"],
        template=arguments["manifest"] or {},
        cron_job=arguments["cron_job"] or "",
        overrides=Overrides(
            container=arguments["container"],
            command=tuple(arguments["command"]),
            args=tuple(arguments["args"]),
            env={key: str(value) for key, value in arguments["env"].items()},
        ),
        timeout=arguments["timeout"],
        leave_at_timeout=arguments["at_timeout"] == "leave",
        adopt_finished=arguments["adopt_finished"],
    )
