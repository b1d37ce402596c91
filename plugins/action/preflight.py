# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Controller's side of module preflight."""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ..module_utils.kube import error_lines, manifests
from ..module_utils.kube.errors import KubeError, MissingKubeconfigError
from ..module_utils.kube.job import Order
from ..module_utils.kube.lease import Run
from ..module_utils.kube.manifests import Manifest
from ..module_utils.prometheus.client import Prometheus
from ..module_utils.prometheus.errors import SettingsError
from ..module_utils.release import preflight
from ..module_utils.release.checks import FAILED, OK, SKIPPED, Check, absent
from ..module_utils.release.preflight import PROBE, STATUS_COMMAND, VERSION_COMMAND, Code, DryRun, Rules, UnfitError
from ..module_utils.release.record import DEPLOY, Release, content_of, last_good, newest_number
from ..module_utils.release.records import read_releases
from ..module_utils.release.version import is_pinned, is_same, reference, version_problem
from ..plugin_utils.connect import connect
from ..plugin_utils.options import COMMON_ARGUMENTS, validated
from ..plugin_utils.prometheus import Whereabouts
from ..plugin_utils.templates import rendered

ARGUMENTS: dict[str, Any] = {
    **COMMON_ARGUMENTS,
    "name": {"type": "str", "required": True},
    "templates": {"type": "list", "elements": "str", "required": True},
    "image": {"type": "str", "required": True},
    "version": {"type": "str", "required": True},
    "pinned_variable": {"type": "str", "required": True},
    "probe": {"type": "dict", "required": True},
    "probe_timeout": {"type": "int", "default": 300},
    "environment": {"type": "str", "required": True},
    "pin_required": {"type": "bool", "default": False},
    "secret_keys": {"type": "list", "elements": "str", "default": []},
    "config_keys": {"type": "list", "elements": "str", "default": []},
    "backup_cron_job": {"type": "str", "default": "postgres-backup"},
    "backup_max_age_hours": {"type": "float", "default": 0},
    "freeze_windows": {"type": "list", "elements": "dict", "default": []},
    "ignore_freeze": {"type": "bool", "default": False},
    "ignore_alerts": {"type": "bool", "default": False},
    "allow_breaking_migration": {"type": "bool", "default": False},
    "prometheus_url": {"type": "str", "default": ""},
    "prometheus_service": {"type": "str", "default": ""},
    "prometheus_bearer_token_file": {"type": "path", "default": ""},
    "prometheus_ca_file": {"type": "path", "default": ""},
    "watch_seconds": {"type": "int", "default": 0},
    "watch_required": {"type": "bool", "default": False},
    "log_error_pattern": {"type": "str", "default": ""},
    "checklist": {"type": "bool", "default": False},
}

display = Display()


class ActionModule(ActionBase):
    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        arguments = validated(self, ARGUMENTS)
        try:
            problem = version_problem(arguments["version"], arguments["environment"])
            if problem:
                raise KubeError(problem)
            error_lines.compiled(arguments["log_error_pattern"])
            result.update(self._look(arguments, task_vars or {}))
        except (KubeError, SettingsError) as error:
            result.update(failed=True, msg=str(error))
        return result

    def _look(self, arguments: dict[str, Any], variables: dict[str, Any]) -> dict[str, Any]:
        wanted = reference(arguments["image"], arguments["version"])
        try:
            client = connect(arguments)
        except MissingKubeconfigError:
            if not self._task.check_mode:
                raise
            desired = self._desired(arguments, variables, wanted)
            return _answer(arguments, Code(wanted), desired, DryRun(), None, [], True, datetime.now(UTC))
        namespace = arguments["namespace"]
        releases = read_releases(client, namespace)
        running = last_good(releases)
        started = client.now()
        only_looks = arguments["checklist"] or self._task.check_mode
        if not releases and not preflight.has_namespace(client, namespace):
            desired = self._desired(arguments, variables, wanted)
            checks = [absent(namespace, only_looks)]
            answer = _answer(arguments, Code(wanted), desired, DryRun(), None, checks, True, started)
            return self._judged(answer, checks, arguments)
        code, image_check = self._code(arguments, wanted, running)
        desired = self._desired(arguments, variables, code.image)
        found = preflight.dry_run(client, arguments["name"], namespace, desired)
        needed = running is None or running.content != content_of(desired)
        changes = [change for change in found.changes if change.changes_something]
        checks = []
        if arguments["checklist"] or needed or changes or found.refusals:
            manifest_check = Check("manifests", FAILED, " ".join(found.refusals)) if found.refusals else None
            checks = [
                image_check,
                manifest_check or Check("manifests", OK, f"{len(found.changes)} objects, {len(changes)} to change"),
                *preflight.checklist(
                    client, namespace, desired, _rules(arguments), code, running, _prometheus(arguments)
                ),
            ]
        answer = _answer(arguments, code, desired, found, running, checks, needed, started)
        return self._judged(answer | {"newest": newest_number(releases)}, checks, arguments)

    def _code(self, arguments: dict[str, Any], wanted: str, running: Release | None) -> tuple[Code, Check]:
        """The new code's facts: from the record when it runs already, else by running it once."""
        pin_needed = arguments["pin_required"]
        if running and is_same(running.image, wanted) and (is_pinned(running.image) or not pin_needed):
            code = Code.of_release(running)
            return code, Check("image", OK, f"{code.image} runs already")
        if self._task.check_mode:
            return Code(wanted), Check("image", SKIPPED, "the image is not started in check mode")
        # Of this run alone: another one that asks the same image at once removes its own when it has the answer.
        asker = f"{wanted} {Run.current().identity}"
        order = Order(
            namespace=arguments["namespace"],
            name=f"{PROBE}-{hashlib.sha256(asker.encode()).hexdigest()[:10]}",
            # Before the first release there may be no database yet.
            template=_with_command(arguments["probe"], wanted, STATUS_COMMAND if running else VERSION_COMMAND),
            timeout=arguments["probe_timeout"],
        )
        try:
            code = preflight.probe(partial(connect, arguments), order, wanted, _say)
        except UnfitError as error:
            return Code(wanted), Check("image", FAILED, str(error), unfit=True)
        except KubeError as error:
            return Code(wanted), Check("image", FAILED, str(error))
        if pin_needed and not is_pinned(code.image):
            return code, Check(
                "image",
                FAILED,
                f"The nodes know no digest of {wanted}, and this environment runs nothing that can change.",
                unfit=True,
            )
        return code, Check("image", OK, f"{code.image} starts, version {code.reported or 'unknown'}")

    def _desired(self, arguments: dict[str, Any], variables: dict[str, Any], image: str) -> list[Manifest]:
        texts = rendered(self, arguments["templates"], {**variables, arguments["pinned_variable"]: image})
        return manifests.prepare(manifests.load(texts), arguments["name"], arguments["namespace"])

    def _judged(self, answer: dict[str, Any], checks: list[Check], arguments: dict[str, Any]) -> dict[str, Any]:
        shown = preflight.lines(checks, arguments["checklist"])
        if shown:
            display.display("\n".join(shown))
        refusals = [check.message for check in checks if check.state == FAILED]
        unfit = any(check.unfit for check in checks)
        if not refusals:
            return answer
        if self._task.check_mode:
            return answer | {"warnings": refusals}
        return answer | {"failed": True, "msg": " ".join(refusals), "unfit": unfit}


def _answer(
    arguments: dict[str, Any],
    code: Code,
    desired: list[Manifest],
    found: DryRun,
    running: Release | None,
    checks: list[Check],
    needed: bool,
    now: datetime,
) -> dict[str, Any]:
    changes = [f"{change.kind} {change.name}" for change in found.changes if change.changes_something]
    return {
        "changed": False,
        "needed": needed,
        "changes": changes,
        "manifests": desired,
        "content": content_of(desired),
        "code": asdict(code),
        "version": arguments["version"],
        "kind": DEPLOY,
        "of": 0,
        "started": now.isoformat(timespec="seconds"),
        "last_good": asdict(running) if running else {},
        "newest": 0,
        "checks": [asdict(check) for check in checks],
    }


def _say(line: str) -> None:
    display.display(f"  {line}")


def _rules(arguments: dict[str, Any]) -> Rules:
    names = (
        "environment", "secret_keys", "config_keys", "backup_cron_job", "backup_max_age_hours", "freeze_windows",
        "ignore_freeze", "ignore_alerts", "allow_breaking_migration", "watch_seconds", "watch_required",
    )  # fmt: skip
    return Rules(**{name: arguments[name] for name in names})


def _prometheus(arguments: dict[str, Any]) -> Prometheus | None:
    options = ("url", "service", "bearer_token_file", "ca_file")
    whereabouts = Whereabouts(*(arguments[f"prometheus_{option}"] for option in options))
    if not whereabouts.url and not whereabouts.service:
        return None
    return whereabouts.prometheus(partial(connect, arguments), arguments["namespace"])


def _with_command(manifest: dict[str, Any], image: str, command: tuple[str, ...]) -> dict[str, Any]:
    """The Job with the image that is asked, saying what it is instead of migrating."""
    container = manifest["spec"]["template"]["spec"]["containers"][0]
    container.update(image=image, command=list(command))
    return manifest
