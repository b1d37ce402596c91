# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Controller's side of module apply."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ..module_utils.kube import capacity, manifests
from ..module_utils.kube.apply import Change, apply_one, prune, resolve
from ..module_utils.kube.client import Client
from ..module_utils.kube.compare import covers
from ..module_utils.kube.errors import ApiError, KubeError, MissingKubeconfigError
from ..module_utils.kube.kinds import WELL_KNOWN, WORKLOADS
from ..module_utils.kube.live import LiveSet
from ..module_utils.kube.manifests import Manifest
from ..module_utils.kube.mask import masked
from ..module_utils.kube.recorded import keeps_data
from ..plugin_utils.connect import connect
from ..plugin_utils.options import COMMON_ARGUMENTS, validated
from ..plugin_utils.render_dir import write_set
from ..plugin_utils.templates import rendered

ARGUMENTS: dict[str, Any] = {
    **COMMON_ARGUMENTS,
    "name": {"type": "str", "required": True},
    "templates": {"type": "list", "elements": "str"},
    "manifests": {"type": "list", "elements": "dict"},
    "prune": {"type": "bool", "default": True},
    "render_dir": {"type": "path", "default": ""},
    "render_changes": {"type": "bool", "default": True},
    "check_capacity": {"type": "bool", "default": True},
}

EITHER = ["templates", "manifests"]

display = Display()


class ActionModule(ActionBase):
    _requires_connection = False
    _supports_check_mode = True
    _supports_diff = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        arguments = validated(self, ARGUMENTS, required_one_of=[EITHER], mutually_exclusive=[EITHER])
        done: list[Change] = []
        try:
            if arguments["render_dir"]:
                result.update(self._render(arguments, task_vars or {}))
                return result
            client = self._client(arguments)
            recorded = self._recorded(client, arguments)
            desired = self._desired(arguments, {**(task_vars or {}), "recorded": recorded})
            if client is None:
                done = [Change("created", item["kind"], item["metadata"]["name"], None, item) for item in desired]
            else:
                self._apply(client, arguments, desired, done)
                self._warn(client.warnings)
        except KubeError as error:
            result.update(failed=True, msg=_with_progress(str(error), done))
        result.update(_summary(done))
        if self._task.diff:
            result["diff"] = [change.diff() for change in done if change.changes_something]
        return result

    def _render(self, arguments: dict[str, Any], variables: dict[str, Any]) -> dict[str, Any]:
        # Masked first, so that no checksum of a secret is written either, and generated ones change nothing.
        desired = resolve([masked(item) for item in self._desired(arguments, {**variables, "recorded": {}})], None)
        folder = Path(arguments["render_dir"])
        files = write_set(folder, arguments["name"], desired, dry_run=self._task.check_mode)
        objects = [{"kind": item["kind"], "name": item["metadata"]["name"], "action": "rendered"} for item in desired]
        changed = bool(files) and arguments["render_changes"]
        return {"changed": changed, "files": [str(path) for path in files], "objects": objects}

    def _recorded(self, client: Client | None, arguments: dict[str, Any]) -> dict[str, dict[str, str]]:
        """Data of the live ConfigMaps of the set that keep it: facts that only the cluster knows."""
        if client is None or not arguments["templates"]:
            return {}
        selector = f"{manifests.SET_LABEL}={arguments['name']}"
        found = client.list(WELL_KNOWN["v1", "ConfigMap"], arguments["namespace"], selector)
        return {item["metadata"]["name"]: item.get("data") or {} for item in found if keeps_data(item)}

    def _client(self, arguments: dict[str, Any]) -> Client | None:
        """The client, or None in check mode while there is no kubeconfig: then all would be created."""
        try:
            return connect(arguments)
        except MissingKubeconfigError as error:
            if not self._task.check_mode:
                raise
            self._warn([f"{error} In check mode everything is taken to be new."])
            return None

    def _desired(self, arguments: dict[str, Any], variables: dict[str, Any]) -> list[Manifest]:
        if arguments["templates"]:
            loaded = manifests.load(rendered(self, arguments["templates"], variables))
        else:
            loaded = [("manifests", item) for item in arguments["manifests"]]
        return manifests.prepare(loaded, arguments["name"], arguments["namespace"])

    def _apply(self, client: Client, arguments: dict[str, Any], desired: list[Manifest], done: list[Change]) -> None:
        """Apply and prune, adding to `done` what is done as it is done."""
        dry_run: bool = self._task.check_mode
        live = LiveSet.read(client, arguments["name"], arguments["namespace"], desired, whole=arguments["prune"])
        resolved = resolve(desired, live)
        if arguments["check_capacity"]:
            self._check_capacity(client, resolved, live)
        for manifest in resolved:
            done.append(apply_one(client, manifest, live, dry_run))  # noqa: PERF401 - what was done before a failure must be known
        if arguments["prune"]:
            for change in prune(client, live.leavers(resolved), live, dry_run):
                done.append(change)
                if change.action == "orphaned":
                    self._warn(
                        [f"{change.kind} {change.name} left the set {arguments['name']}; it holds data and is kept."]
                    )

    def _check_capacity(self, client: Client, resolved: Iterable[Manifest], live: LiveSet) -> None:
        different = [item for item in resolved if (found := live.of(item)) is None or not covers(found, item)]
        if not any(item["kind"] in WORKLOADS for item in different):
            return
        try:
            sentences = capacity.misfits(different, client.list(WELL_KNOWN["v1", "Node"]))
        except ApiError as error:
            if error.status != 403:
                raise
            display.v("Nodes may not be listed: whether the pods fit on them is not checked.")
            return
        if sentences and self._task.check_mode:
            self._warn(sentences)
        elif sentences:
            raise KubeError(" ".join([*sentences, "Nothing was applied (check_capacity: false applies nevertheless)."]))

    def _warn(self, sentences: Iterable[str]) -> None:
        for sentence in sentences:
            display.warning(sentence)


def _summary(done: list[Change]) -> dict[str, Any]:
    count = Counter(change.action for change in done)
    return {
        "changed": any(change.changes_something for change in done),
        "objects": [{"kind": change.kind, "name": change.name, "action": change.action} for change in done],
        "created": count["created"],
        "configured": count["configured"] + count["recreated"],
        "pruned": count["pruned"],
        "orphaned": [f"{change.kind} {change.name}" for change in done if change.action == "orphaned"],
    }


def _with_progress(message: str, done: list[Change]) -> str:
    changed = [f"{change.kind} {change.name}" for change in done if change.changes_something]
    if not changed:
        return message
    return f"{message} Applied before that: {', '.join(changed)}."
