# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Controller's side of module bucket."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase

from ..module_utils.backup.errors import BackupError
from ..module_utils.backup.storage import Store, StoreSettings
from ..module_utils.bucket import Wanted, settle
from ..plugin_utils.options import validated
from ..plugin_utils.store import STORE_ARGUMENT

ARGUMENTS: dict[str, Any] = {
    **STORE_ARGUMENT,
    "versioning": {"type": "bool", "default": True},
    "encryption": {"type": "str", "choices": ["", "AES256", "aws:kms"], "default": ""},
    "kms_key": {"type": "str", "default": "", "no_log": False},
    "block_public_access": {"type": "bool", "default": True},
    "user": {"type": "str", "default": ""},
    "require_tls": {"type": "bool", "default": True},
    "incomplete_upload_days": {"type": "int", "default": 0},
    "old_version_days": {"type": "int", "default": 0},
    "lock_days": {"type": "int", "default": 0},
    "lock_mode": {"type": "str", "choices": ["GOVERNANCE", "COMPLIANCE"], "default": "GOVERNANCE"},
    "replicate_to": {"type": "str", "default": ""},
    "replication_role": {"type": "str", "default": ""},
}


class ActionModule(ActionBase):
    _requires_connection = False
    _supports_check_mode = True
    _supports_diff = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        arguments = validated(self, ARGUMENTS)
        settings = arguments.pop("store")
        files = [settings[name] for name in ("ca_file", "credentials_file") if settings[name]]
        absent = [file for file in files if not Path(file).expanduser().exists()]
        if absent and self._task.check_mode:
            # As before the first start of the embedded cluster, whose S3 server has nothing yet.
            return result | {"changed": True, "created": True, "set": [], "msg": f"{absent[0]} is not there yet."}
        try:
            store = Store(StoreSettings.from_mapping(settings))
            outcome = settle(store, Wanted(**arguments), check=self._task.check_mode)
        except BackupError as error:
            return result | {"failed": True, "msg": str(error)}
        diff = {
            "before": json.dumps(outcome.before, indent=2, sort_keys=True) + "\n",
            "after": json.dumps(outcome.after, indent=2, sort_keys=True) + "\n",
        }
        return result | {
            "changed": outcome.changed,
            "created": outcome.created,
            "set": list(outcome.after),
            **({"diff": diff} if outcome.changed else {}),
        }
