# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Controller's side of module scale."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ..module_utils.kube.apply import Change
from ..module_utils.kube.client import Client
from ..module_utils.kube.compare import same_content
from ..module_utils.kube.errors import ApiError, KubeError, MissingKubeconfigError
from ..module_utils.kube.kinds import WELL_KNOWN
from ..module_utils.kube.named import Named, parsed
from ..module_utils.kube.refusal import explain
from ..module_utils.kube.rollout import look
from ..module_utils.kube.scale import Cluster, Step, Terms, Wish, plan
from ..plugin_utils.connect import connect
from ..plugin_utils.options import COMMON_ARGUMENTS, validated
from ..plugin_utils.waiting import WAIT_ARGUMENTS, seen, wait

DEPLOYMENT_ARGUMENTS: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "replicas": {"type": "raw"},
    "minimum": {"type": "int", "default": 1},
    "variable": {"type": "str", "default": ""},
    "maximum_variable": {"type": "str", "default": ""},
    "option": {"type": "str", "default": ""},
}
ARGUMENTS: dict[str, Any] = {
    **COMMON_ARGUMENTS,
    **WAIT_ARGUMENTS,
    "deployments": {"type": "list", "elements": "dict", "required": True, "options": DEPLOYMENT_ARGUMENTS},
    "environment": {"type": "str", "default": ""},
    "confirm": {"type": "str", "default": ""},
    "file": {"type": "str", "default": ""},
}
_DEPLOYMENTS, _AUTOSCALERS, _QUOTAS = (
    WELL_KNOWN[key]
    for key in (("apps/v1", "Deployment"), ("autoscaling/v2", "HorizontalPodAutoscaler"), ("v1", "ResourceQuota"))
)

display = Display()


class ActionModule(ActionBase):
    _requires_connection = False
    _supports_check_mode = True
    _supports_diff = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        arguments = validated(self, ARGUMENTS)
        changes: list[Change] = []
        try:
            result.update(self._scale(arguments, changes))
        except MissingKubeconfigError as error:
            result.update(failed=not self._task.check_mode, msg=str(error), changed=True)
        except KubeError as error:
            result.update(failed=True, msg=str(error))
        if changes:
            result["changed"] = True
        if self._task.diff:
            result["diff"] = [change.diff() for change in changes]
        return result

    def _scale(self, arguments: dict[str, Any], changes: list[Change]) -> dict[str, Any]:
        wishes = [Wish(**each) for each in arguments["deployments"]]
        terms = Terms(arguments["environment"], arguments["confirm"], arguments["file"])
        client = connect(arguments)
        steps = plan(wishes, _read(client, arguments["namespace"], wishes), terms)
        for step in steps:
            self._write(client, step, changes)
            display.display(f"  {step.words()}")
        notes = [note for step in steps if (note := step.note(terms))]
        result = {"scaled": [_as_data(step) for step in steps], "notes": notes}
        result |= self._look(client, arguments, steps) if self._task.check_mode else _wait(arguments, steps)
        for note in notes:
            display.display(f"  {note}")
        return result

    def _write(self, client: Client, step: Step, changes: list[Change]) -> None:
        if step.before == step.after:
            return
        target = dict(step.target)
        kind, metadata = client.kind(target["apiVersion"], target["kind"]), target["metadata"]
        dry_run: bool = self._task.check_mode
        try:
            after = client.merge(kind, metadata["namespace"], metadata["name"], step.change, dry_run)
        except ApiError as error:
            raise KubeError(explain(error, target, None)) from error
        if not same_content(target, after):
            changes.append(Change("configured", target["kind"], metadata["name"], target, after))

    def _look(self, client: Client, arguments: dict[str, Any], steps: list[Step]) -> dict[str, Any]:
        return {**seen(look(client, _scope(arguments, steps, at_least={}))), "msg": _message(steps)}


def _read(client: Client, namespace: str, wishes: list[Wish]) -> Cluster:
    found = {wish.name: client.find(_DEPLOYMENTS, namespace, wish.name) for wish in wishes if wish.is_given}
    return Cluster(
        namespace=namespace,
        deployments={name: item for name, item in found.items() if item is not None},
        autoscalers=client.list(_AUTOSCALERS, namespace),
        quotas=_quotas(client, namespace),
    )


def _quotas(client: Client, namespace: str) -> list[dict[str, Any]]:
    """Quotas that may not be read are still kept by the API server: the wait then says what it refused."""
    try:
        return client.list(_QUOTAS, namespace)
    except ApiError as error:
        if error.status != 403:
            raise
        return []


def _wait(arguments: dict[str, Any], steps: list[Step]) -> dict[str, Any]:
    at_least = {step.wish.name: step.after for step in steps if step.is_autoscaled}
    names = ", ".join(step.wish.name for step in steps)
    result = wait(arguments, _scope(arguments, steps, at_least), names, display.display)
    return result if result.get("failed") else {**result, "msg": _message(steps)}


def _scope(arguments: dict[str, Any], steps: list[Step], at_least: dict[str, int]) -> Named:
    names = parsed(f"Deployment/{step.wish.name}" for step in steps)
    return Named(arguments["namespace"], (), (), names, at_least)


def _message(steps: list[Step]) -> str:
    return "; ".join(step.words() for step in steps)


def _as_data(step: Step) -> dict[str, Any]:
    return {
        "deployment": step.wish.name,
        "kind": step.target["kind"],
        "name": step.target["metadata"]["name"],
        "field": step.spec_field,
        "before": step.before,
        "after": step.after,
    }
