# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Controller's side of module release."""

from __future__ import annotations

import json
import subprocess
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ..module_utils.kube.errors import KubeError
from ..module_utils.kube.lease import Run
from ..module_utils.release.record import DEPLOY, FAILED, GOOD, ROLLBACK, Release
from ..module_utils.release.records import add_release, images_of
from ..module_utils.release.service import database_health
from ..plugin_utils.connect import connect
from ..plugin_utils.options import COMMON_ARGUMENTS, validated

ARGUMENTS: dict[str, Any] = {
    **COMMON_ARGUMENTS,
    "result": {"type": "str", "choices": [GOOD, FAILED], "required": True},
    "kind": {"type": "str", "choices": [DEPLOY, ROLLBACK], "default": DEPLOY},
    "of": {"type": "int", "default": 0},
    "version": {"type": "str", "required": True},
    "code": {"type": "dict", "required": True},
    "content": {"type": "str", "required": True},
    "manifests": {"type": "list", "elements": "dict", "required": True},
    "started": {"type": "str", "required": True},
    "who": {"type": "str", "default": ""},
    "git_revision": {"type": "str", "default": ""},
    "reason": {"type": "str", "default": ""},
    "outcome": {"type": "str", "default": ""},
    "verification": {"type": "list", "elements": "str", "default": []},
    "evidence": {"type": "list", "elements": "dict", "default": []},
    "keep": {"type": "int", "default": 20},
    "log_file": {"type": "path", "default": ""},
}
GIT_SECONDS = 5

display = Display()


class ActionModule(ActionBase):
    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        arguments = validated(self, ARGUMENTS)
        result["changed"] = True
        if self._task.check_mode:
            result["msg"] = f"Version {arguments['version']} would be recorded as a release."
            return result
        try:
            if arguments["keep"] < 2:
                raise KubeError(f"To keep {arguments['keep']} releases leaves no way back: keep 2 or more.")
            recorded = self._record(arguments, (task_vars or {}).get("playbook_dir", "."))
        except KubeError as error:
            result.update(failed=True, msg=str(error))
            return result
        result.update(release=asdict(recorded), msg=f"Release {recorded.number} is recorded as {recorded.result}.")
        return result

    def _record(self, arguments: dict[str, Any], folder: str) -> Release:
        client = connect(arguments)
        namespace = arguments["namespace"]
        code, now = arguments["code"], client.now()
        release = Release(
            number=0,
            kind=arguments["kind"],
            version=arguments["version"],
            reported=code["reported"],
            image=code["image"],
            content=arguments["content"],
            result=arguments["result"],
            started=arguments["started"],
            finished=now.isoformat(timespec="seconds"),
            seconds=max(0.0, round((now - datetime.fromisoformat(arguments["started"])).total_seconds(), 1)),
            who=arguments["who"] or Run.current().who,
            git_revision=arguments["git_revision"] or _git_revision(folder),
            schema=code["schema"],
            min_compatible_schema=code["min_compatible_schema"],
            database_schema=database_health(client, namespace).get("schema"),
            images=images_of(client, namespace, arguments["manifests"]),
            verification=arguments["verification"],
            reason=arguments["reason"],
            outcome=arguments["outcome"],
            of=arguments["of"],
        )
        manifests, evidence, keep = (arguments[name] for name in ("manifests", "evidence", "keep"))
        recorded = add_release(client, namespace, release, manifests, evidence, keep, warn=display.warning)
        if arguments["log_file"]:
            _log(Path(arguments["log_file"]), namespace, recorded)
        return recorded


def _log(path: Path, namespace: str, release: Release) -> None:
    """One line of JSON for each release; the record on the cluster is what counts."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"namespace": namespace, **asdict(release)}) + "\n")
    except OSError as error:
        display.warning(
            f"The deployment log {path} cannot be written ({error.strerror}): see playbooks/history.yml instead."
        )


def _git_revision(folder: str) -> str:
    """The commit that the playbook is of, with a mark when files differ from it; empty outside a work tree."""
    try:
        done = subprocess.run(
            ["git", "-C", folder, "describe", "--always", "--abbrev=40", "--exclude=*", "--dirty"],
            capture_output=True, text=True, timeout=GIT_SECONDS, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
