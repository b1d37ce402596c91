# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Controller's side of module backup_retention."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ..module_utils.backup.errors import BackupError
from ..module_utils.backup.policy import Policy
from ..module_utils.backup.retention import RetentionPlan, plan
from ..module_utils.backup_report.plan_text import inventory, plan_lines
from ..module_utils.kube.errors import KubeError
from ..module_utils.kube.job import JobResult, Order, run_job
from ..module_utils.kube.job_manifest import Overrides
from ..plugin_utils.connect import connect
from ..plugin_utils.job_result import as_result
from ..plugin_utils.options import COMMON_ARGUMENTS, validated
from ..plugin_utils.store import STORE_ARGUMENTS, catalogue_of

ARGUMENTS: dict[str, Any] = {
    **COMMON_ARGUMENTS,
    **STORE_ARGUMENTS,
    "policy": {"type": "dict", "default": {}},
    "environment": {"type": "str", "required": True},
    "confirm": {"type": "str", "default": ""},
    "cron_job": {"type": "str", "default": "backup-retention"},
    "timeout": {"type": "int", "default": 3600},
}

display = Display()


class ActionModule(ActionBase):
    _requires_connection = False
    _supports_check_mode = True
    _supports_diff = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        arguments = validated(self, ARGUMENTS)
        try:
            policy = Policy.from_mapping(arguments["policy"])
            now = datetime.now(UTC)
            made = plan(catalogue_of(arguments, now), policy, now)
        except BackupError as error:
            return result | {"failed": True, "msg": str(error)}
        lines = plan_lines(made, arguments["environment"])
        display.display("\n".join(["", *lines, ""]))
        result.update(changed=made.changes, plan=made.to_dict(), table=lines, report={})
        if self._task.diff and made.changes:
            header = {"before_header": "backups", "after_header": "backups after retention"}
            result["diff"] = header | {"before": inventory(made, False), "after": inventory(made, True)}
        try:
            return result | self._carry_out(made, arguments)
        except KubeError as error:
            return result | {"failed": True, "msg": str(error)}

    def _carry_out(self, made: RetentionPlan, arguments: dict[str, Any]) -> dict[str, Any]:
        if made.refusals:
            return {"failed": True, "changed": False, "msg": f"Nothing is deleted: {' '.join(made.refusals)}"}
        if not made.changes:
            return {"msg": "Nothing is to be deleted."}
        confirmed = arguments["confirm"] == arguments["environment"]
        if made.confirmations and not confirmed:
            sentence = f"{' '.join(made.confirmations)} If that is right, add -e confirm={arguments['environment']}."
            if not self._task.check_mode:
                return {"failed": True, "changed": False, "msg": f"Nothing is deleted: {sentence}"}
            display.warning(sentence)
        if self._task.check_mode:
            return {"msg": "The plan above would be carried out."}
        done = _delete(made, confirmed, arguments)
        report = done.report.get("result") or {}
        for problem in report.get("problems") or []:
            display.warning(problem)
        return as_result(done, display.display) | {"report": report, "changed": bool(report.get("changed", True))}


def _delete(made: RetentionPlan, confirmed: bool, arguments: dict[str, Any]) -> JobResult:
    """Run the Job with the digest of what was shown: it makes its own plan, and deletes only if that is the same."""
    command = ["python3", "-m", "jobs", "retention", "--expect", made.digest()]
    order = Order(
        namespace=arguments["namespace"],
        name=f"{arguments['cron_job']}-now",
        cron_job=arguments["cron_job"],
        overrides=Overrides(command=(*command, *(["--confirm"] if confirmed else []))),
        timeout=arguments["timeout"],
        leave_at_timeout=True,
    )
    return run_job(partial(connect, arguments), order, lambda line: display.display(f"  {line}"))
