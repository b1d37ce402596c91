# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Controller's side of module release_info."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ..module_utils.kube.client import Client
from ..module_utils.kube.errors import KubeError, MissingKubeconfigError
from ..module_utils.kube.manifests import Manifest
from ..module_utils.release.preflight import Code
from ..module_utils.release.record import ROLLBACK, Release, last_good, newest_number, previous_good
from ..module_utils.release.records import find_release, manifests_of, read_releases
from ..module_utils.release.service import database_health
from ..module_utils.release.text import history
from ..plugin_utils.connect import connect
from ..plugin_utils.options import COMMON_ARGUMENTS, validated

ARGUMENTS: dict[str, Any] = {
    **COMMON_ARGUMENTS,
    "number": {"type": "int"},
    "which": {"type": "str", "choices": ["last_good", "previous_good"]},
    "newest": {"type": "int"},
    "show": {"type": "bool", "default": False},
}

display = Display()


class ActionModule(ActionBase):
    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        arguments = validated(self, ARGUMENTS, mutually_exclusive=[["number", "which"]])
        result.update(changed=False, releases=[], release={}, manifests=[])
        try:
            client = connect(arguments)
            releases = read_releases(client, arguments["namespace"])
            result["releases"] = [asdict(each) for each in releases]
            _refuse_later_than(arguments["newest"], releases)
            found = _asked_for(releases, arguments)
            if found is not None:
                result["release"] = asdict(found)
                result["manifests"] = manifests_of(client, arguments["namespace"], found.number)
                result["database"] = database_health(client, arguments["namespace"])
                result["again"] = _again(found, result["manifests"], releases, client)
        except MissingKubeconfigError as error:
            if not self._task.check_mode:
                result.update(failed=True, msg=str(error))
            return result
        except KubeError as error:
            result.update(failed=True, msg=str(error))
            return result
        if arguments["show"]:
            shown = history(releases, client.now()) if releases else ["No release is on record yet."]
            display.display("\n".join(["", *shown, ""]))
        return result


def _refuse_later_than(known: int | None, releases: Sequence[Release]) -> None:
    newest = newest_number(releases)
    if known is not None and newest != known:
        raise KubeError(
            f"Release {newest} was recorded by another run after this one had looked: see playbooks/history.yml, then run"
            " this again."
        )


def _again(found: Release, manifests: list[Manifest], releases: Sequence[Release], client: Client) -> dict[str, Any]:
    current = last_good(releases)
    return {
        "kind": ROLLBACK,
        "of": found.number,
        "version": found.version,
        "content": found.content,
        "code": asdict(Code.of_release(found)),
        "manifests": manifests,
        "needed": current is None or current.content != found.content,
        "newest": newest_number(releases),
        "started": client.now().isoformat(timespec="seconds"),
    }


def _asked_for(releases: Sequence[Release], arguments: dict[str, Any]) -> Release | None:
    if arguments["number"] is not None:
        return _good(find_release(releases, arguments["number"]))
    if arguments["which"] == "last_good":
        return last_good(releases)
    if arguments["which"] == "previous_good":
        found = previous_good(releases)
        if found is None:
            raise KubeError(
                "There is no earlier good release to go back to: playbooks/history.yml lists what there is."
            )
        return found
    return None


def _good(release: Release) -> Release:
    if not release.is_good:
        raise KubeError(
            f"Release {release.number} ({release.version}) failed and is not rolled out again:"
            f" {release.reason.rstrip('.') or 'its record gives no reason'}. Choose a good one: playbooks/history.yml lists them."
        )
    return release
