# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Controller's side of module logs."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ..module_utils.kube import error_lines
from ..module_utils.kube.client import Client
from ..module_utils.kube.error_lines import PatternError, Reading
from ..module_utils.kube.errors import ApiError, KubeError, UnreachableError
from ..module_utils.kube.evidence import masker
from ..module_utils.kube.kinds import WELL_KNOWN
from ..module_utils.kube.lease import keeper
from ..plugin_utils.connect import connect
from ..plugin_utils.options import COMMON_ARGUMENTS, validated

ARGUMENTS: dict[str, Any] = {
    **COMMON_ARGUMENTS,
    "replica_sets": {"type": "list", "elements": "str", "required": True},
    "containers": {"type": "list", "elements": "str", "default": []},
    "since": {"type": "str", "default": ""},
    "pattern": {"type": "str", "required": True},
    "max": {"type": "int", "default": -1},
    "lease": {"type": "dict"},
}

display = Display()


class ActionModule(ActionBase):
    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        arguments = validated(self, ARGUMENTS)
        result.update(changed=False, errors=0, sentences=[])
        if self._task.check_mode:
            return result
        try:
            client = connect(arguments)
            result.update(_told(client, _read(client, arguments), arguments))
        except (ApiError, PatternError, UnreachableError) as error:
            sentence = f"the logs were not read: {error}"
            result.update(sentences=[sentence], warnings=[sentence])
        except KubeError as error:
            result.update(failed=True, msg=str(error))
        return result


def _read(client: Client, arguments: dict[str, Any]) -> Reading:
    namespace = arguments["namespace"]
    pattern = error_lines.compiled(arguments["pattern"])
    pods = error_lines.pods_of(client.list(WELL_KNOWN["v1", "Pod"], namespace), arguments["replica_sets"])
    beat = keeper(namespace, arguments["lease"])
    return error_lines.read(client, pods, arguments["containers"], arguments["since"], pattern, beat)


def _told(client: Client, found: Reading, arguments: dict[str, Any]) -> dict[str, Any]:
    hide = masker(client, arguments["namespace"]) if found.errors else None
    sentences = error_lines.sentences(found, hide)
    result: dict[str, Any] = {"errors": found.errors, "sentences": sentences}
    if 0 <= arguments["max"] < found.errors:
        evidence = error_lines.evidence(found, hide, arguments["namespace"])
        for each in evidence:
            display.display("\n".join(each.lines()))
        counted = error_lines.counted(found.errors, "error line")
        reason = f"{counted} in the logs of the new pods, where at most {arguments['max']} may be"
        return result | {"failed": True, "msg": f"{reason}: {sentences[0]}", "evidence": [asdict(e) for e in evidence]}
    if found.errors or found.unread:
        return result | {"warnings": sentences}
    for sentence in sentences:
        display.display(f"  {sentence}")
    return result
