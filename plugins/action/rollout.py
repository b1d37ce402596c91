# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Controller's side of module rollout."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ..module_utils.kube import evidence
from ..module_utils.kube.client import Client
from ..module_utils.kube.diagnosis import Finding, describe
from ..module_utils.kube.errors import KubeError, MissingKubeconfigError
from ..module_utils.kube.lease import keeper
from ..module_utils.kube.login import login
from ..module_utils.kube.rollout import Limits, Look, Outcome, Scope, Waiter, look
from ..plugin_utils.options import COMMON_ARGUMENTS, auth_options, validated

ARGUMENTS: dict[str, Any] = {
    **COMMON_ARGUMENTS,
    "sets": {"type": "list", "elements": "str", "required": True},
    "without": {"type": "list", "elements": "str", "default": []},
    "state": {"type": "str", "choices": ["ready"], "default": "ready"},
    "timeout": {"type": "int", "default": 600},
    "unschedulable_grace": {"type": "int", "default": 15},
    "interval": {"type": "int", "default": 10},
    "log_lines": {"type": "int", "default": 20},
    "lease": {"type": "dict"},
}

display = Display()


class ActionModule(ActionBase):
    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        arguments = validated(self, ARGUMENTS)
        try:
            result.update(self._report_only(arguments) if self._task.check_mode else self._wait(arguments))
        except KubeError as error:
            result.update(failed=True, msg=str(error))
        return result

    def _report_only(self, arguments: dict[str, Any]) -> dict[str, Any]:
        try:
            current = look(Client(login(auth_options(arguments))), _scope(arguments))
        except MissingKubeconfigError as error:
            return {"changed": False, "workloads": [], "seconds": 0.0, "msg": str(error)}
        return {"changed": False, "workloads": _workloads(current), "seconds": 0.0, "msg": current.line()}

    def _wait(self, arguments: dict[str, Any]) -> dict[str, Any]:
        limits = Limits(arguments["timeout"], arguments["unschedulable_grace"], arguments["interval"])
        waiter = Waiter(
            connect=lambda: Client(login(auth_options(arguments))),
            scope=_scope(arguments),
            limits=limits,
            say=lambda line: display.display(f"  {line}"),
            beat=keeper(arguments["namespace"], arguments["lease"]),
        )
        outcome = waiter.wait()
        if not outcome.look.snapshot.workloads:
            sets = ", ".join(arguments["sets"])
            raise KubeError(
                f"Nothing to wait for: no workload of {sets} is in namespace {arguments['namespace']}; apply it first."
            )
        result = {
            "changed": False,
            "workloads": _workloads(outcome.look),
            "seconds": round(outcome.seconds, 1),
            "msg": outcome.look.line(),
        }
        if outcome.look.is_ready and not outcome.failures:
            return result
        return result | self._failure(waiter.client, outcome, arguments)

    def _failure(self, client: Client, outcome: Outcome, arguments: dict[str, Any]) -> dict[str, Any]:
        snapshot = outcome.look.snapshot
        hide = evidence.masker(client, arguments["namespace"])
        causes = outcome.failures or [_not_in_time(outcome, workload) for workload in _unready(outcome.look)]
        found = [evidence.collect(client, cause, snapshot, hide, arguments["log_lines"]) for cause in causes]
        for each in found:
            display.display("\n".join(each.lines()))
        commands = " and ".join(dict.fromkeys(f"`{each.command}`" for each in found))
        reasons = " ".join(each.reason for each in found)
        return {"failed": True, "msg": f"{reasons} See {commands}.", "evidence": [asdict(each) for each in found]}


def _scope(arguments: dict[str, Any]) -> Scope:
    return Scope(arguments["namespace"], arguments["sets"], arguments["without"])


def _unready(current: Look) -> list[Mapping[str, Any]]:
    return [workload for workload, progress in current.pairs() if not progress.ready]


def _not_in_time(outcome: Outcome, workload: Mapping[str, Any]) -> Finding:
    metadata = workload["metadata"]
    message = next(progress.message for other, progress in outcome.look.pairs() if other is workload)
    return Finding(
        key=(metadata["uid"],),
        workload=workload,
        reason=f"{describe(workload)} is not ready after {outcome.seconds:.0f} s: {message}.",
        command=f"kubectl describe {workload['kind'].lower()} {metadata['name']} -n {metadata['namespace']}",
        pods=tuple(outcome.look.snapshot.pods_of(workload)),
    )


def _workloads(current: Look) -> list[dict[str, Any]]:
    return [
        {
            "kind": workload["kind"],
            "name": workload["metadata"]["name"],
            "ready": progress.ready,
            "message": progress.message,
        }
        for workload, progress in current.pairs()
    ]
