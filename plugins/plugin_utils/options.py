# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Options that apply, rollout and status have in common."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.kubernetes.core.plugins.module_utils.args_common import AUTH_ARG_SPEC

AUTH_OPTIONS = tuple(AUTH_ARG_SPEC)

COMMON_ARGUMENTS: dict[str, Any] = {
    **AUTH_ARG_SPEC,
    "namespace": {"type": "str", "required": True},
}


def auth_options(arguments: dict[str, Any]) -> dict[str, Any]:
    """The login options out of a task's validated arguments."""
    return {name: arguments[name] for name in AUTH_OPTIONS if arguments.get(name) is not None}


def validated(action: ActionBase, spec: dict[str, Any], **constraints: Any) -> dict[str, Any]:
    """The task's arguments, checked, and as plain data: the tags that Ansible keeps on values end here."""
    _validation, arguments = action.validate_argument_spec(spec, **constraints)
    plain: dict[str, Any] = json.loads(json.dumps(arguments, default=_as_written))
    return plain


def _as_written(value: object) -> str:
    """YAML makes times of what looks like one."""
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} is no value of an option")
