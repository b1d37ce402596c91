# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ..module_utils.kube import capacity, manifests, requirements
from ..module_utils.kube.client import Client
from ..module_utils.kube.errors import ApiError, KubeError, MissingKubeconfigError, UnreachableError
from ..module_utils.kube.kinds import WELL_KNOWN, Kind
from ..plugin_utils.connect import connect
from ..plugin_utils.options import COMMON_ARGUMENTS, validated
from ..plugin_utils.templates import render

ARGUMENTS: dict[str, Any] = {
    **COMMON_ARGUMENTS,
    "minimum_version": {"type": "str", "required": True},
    "require_storage_class": {"type": "bool", "default": True},
    "require_metrics": {"type": "bool", "default": True},
    "may_be_stopped": {"type": "bool", "default": False},
    "roles": {"type": "list", "elements": "str", "default": []},
}
NODES = WELL_KNOWN["v1", "Node"]
ROLES = Path(__file__).parents[2] / "roles"
# Folders of templates for what a person starts later, for which a deploy has no values, and for what only lives for a moment.
LEFT_OUT = ("recovery", "restore", "check")
STORAGE_CLASSES = WELL_KNOWN["storage.k8s.io/v1", "StorageClass"]

display = Display()


class ActionModule(ActionBase):
    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        arguments = validated(self, ARGUMENTS)
        try:
            return result | self._check(arguments, task_vars or {})
        except (KubeError, ValueError) as error:
            if self._task.check_mode and _is_absent(error, arguments["may_be_stopped"]):
                return result | {"msg": f"There is no cluster to check yet: {error}"}
            return result | {"failed": True, "msg": str(error)}

    def _check(self, arguments: dict[str, Any], variables: dict[str, Any]) -> dict[str, Any]:
        client = connect(arguments)
        version = client.get("/version")["gitVersion"]
        findings = requirements.check_version(version, arguments["minimum_version"])
        findings += self._rights(client, arguments["namespace"])
        workloads = [item for role in arguments["roles"] for item in self._workloads(role, variables)]
        findings += self._readable(
            client, NODES, lambda nodes: requirements.check_nodes(nodes) or self._misfits(workloads, nodes)
        )
        if arguments["require_storage_class"]:
            findings += self._readable(client, STORAGE_CLASSES, requirements.check_storage)
        if arguments["require_metrics"]:
            findings += requirements.check_metrics(_has_metrics(client))
        return {"failed": bool(findings), "msg": " ".join(findings), "version": version}

    def _rights(self, client: Client, namespace: str) -> list[str]:
        rules = client.rules(namespace)

        def may(right: requirements.Right) -> bool:
            return client.may(right.verb, right.group, right.resource, namespace)

        def missing(rights: Iterable[requirements.Right]) -> list[requirements.Right]:
            return requirements.missing(rights, rules, may)

        for sentence in requirements.check_helpful_rights(missing(requirements.HELPFUL_RIGHTS), namespace):
            display.warning(sentence)
        return requirements.check_rights(missing(requirements.NEEDED_RIGHTS), namespace)

    def _misfits(self, workloads: list[manifests.Manifest], nodes: list[dict[str, Any]]) -> list[str]:
        """In check mode warnings only, as `apply` gives them: the rest of the run shall be seen, too."""
        sentences = capacity.misfits(workloads, nodes)
        if not self._task.check_mode:
            return sentences
        for sentence in sentences:
            display.warning(sentence)
        return []

    def _workloads(self, role: str, variables: dict[str, Any]) -> list[manifests.Manifest]:
        """What a role's templates that hold containers render to."""
        folder = ROLES / role
        paths = [
            path
            for path in sorted(folder.rglob("templates/**/*.j2"))
            if path.parent.name not in LEFT_OUT and "containers:" in path.read_text("utf-8")
        ]
        # Lookups find the role's files as they do in its own tasks.
        variables = {**variables, "ansible_search_path": [str(folder)], "role_path": str(folder)}
        return [item for _file, item in manifests.load(render(self._templar, paths, [str(folder)], variables))]

    def _readable(self, client: Client, kind: Kind, check: Any) -> list[str]:
        """What a check finds; nothing when this user may not look, which a namespace's owner often may not."""
        try:
            return list(check(client.list(kind)))
        except ApiError as error:
            if error.status != 403:
                raise
            self._display.vv(f"Skipped the check of {kind.plural}: {error}")
            return []


def _is_absent(error: Exception, may_be_stopped: bool) -> bool:
    """Whether there is no cluster yet: no kubeconfig, or one of a cluster that this run would start."""
    return isinstance(error, MissingKubeconfigError) or (may_be_stopped and isinstance(error, UnreachableError))


def _has_metrics(client: Client) -> bool:
    try:
        client.get("/apis/metrics.k8s.io/v1beta1")
    except ApiError:
        return False
    return True
