# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Controller's side of module known_variables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.hustlex.platform.plugins.module_utils.variables import (
    OF_PLAYBOOKS,
    SHARED,
    unknown_variables,
)

ROLES = Path(__file__).parents[2] / "roles"


class ActionModule(ActionBase):
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _validation, args = self.validate_argument_spec(
            {"roles": {"type": "list", "elements": "str", "required": True}}
        )
        declared = {path.name: self._declared(path.name) for path in ROLES.iterdir() if path.is_dir()}
        shared = {name for names in declared.values() for name in names if name.startswith(SHARED)}
        known = {role: declared[role] for role in args["roles"]}
        sentences = unknown_variables(task_vars or {}, known, {*shared, *OF_PLAYBOOKS})
        if sentences:
            result.update(failed=True, msg=" ".join(sentences))
        return result

    def _declared(self, role: str) -> set[str]:
        """Names of the variables in a role's argument specs, over all entry points."""
        specs = self._loader.load_from_file(str(ROLES / role / "meta" / "argument_specs.yml"))["argument_specs"]
        return {option for entry in specs.values() for option in entry.get("options", {})}
