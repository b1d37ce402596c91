# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase
from ansible_collections.hustlex.platform.plugins.module_utils import env_file
from ansible_collections.hustlex.platform.plugins.module_utils.text import dotenv, secret_rules

_ARGUMENTS: dict[str, dict[str, Any]] = {
    "path": {"type": "path", "required": True},
    "keys": {"type": "dict", "required": True},
    "environment": {"type": "str", "default": "production"},
    "generate": {"type": "bool", "default": False},
}


class ActionModule(ActionBase):
    TRANSFERS_FILES = False
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _validation, arguments = self.validate_argument_spec(argument_spec=_ARGUMENTS)
        path = Path(self._loader.path_dwim(arguments["path"]))
        try:
            outcome = self._ensure(path, arguments["keys"], arguments["generate"])
            if path.exists():
                self._check(path, outcome["encrypted"], arguments["keys"], arguments["environment"])
            return result | outcome
        except (env_file.EnvFileError, secret_rules.SecretsError) as error:
            return result | {"failed": True, "msg": str(error)}

    def _check(self, path: Path, encrypted: bool, names: Iterable[str], environment: str) -> None:
        """Refuse a file that cannot be read, or a value in it that must not be used; here its path can be named."""
        try:
            text = self._loader.get_text_file_contents(str(path))
        except AnsibleError as error:
            if not encrypted:
                raise
            given = (
                "the given password does not open it" if "Decryption failed" in str(error) else "no password was given"
            )
            raise env_file.EnvFileError(
                f"{path} is encrypted by ansible-vault, and {given}: add --ask-vault-pass, or name the file with the"
                " password in ANSIBLE_VAULT_PASSWORD_FILE."
            ) from error
        try:
            secret_rules.check(dotenv.parse(text), names, environment)
        except dotenv.DotenvError as error:
            raise env_file.EnvFileError(f"{path} cannot be read: {error}.") from error
        except secret_rules.SecretsError as error:
            raise env_file.EnvFileError(f"{path}: {error}") from error

    def _ensure(self, path: Path, keys: dict[str, Any], generate: bool) -> dict[str, Any]:
        names = ", ".join(keys)
        found = env_file.inspect(path)
        if found is None and not generate:
            raise env_file.EnvFileError(
                f"{path} does not exist. Write NAME=value lines for {names} to it, with mode 0600 or encrypted by"
                " ansible-vault."
            )
        if found is None:
            text = env_file.generated_text(_sizes(keys))
            if self._task.check_mode:
                return self._outcome(path, True, f"Would write random values for {names} to {path}.", names)
            if env_file.create(path, text):
                return self._outcome(path, True, f"Wrote random values for {names} to {path}.", names)
            found = env_file.inspect(path)
        outcome = self._outcome(path, False, f"{path} is there.", names)
        if found is not None and found.readable_by_others:
            outcome["warnings"] = [f"{path} can be read by other users of this machine; run: chmod 600 {path}"]
        return outcome | {"encrypted": found is not None and found.encrypted}

    def _outcome(self, path: Path, changed: bool, message: str, names: str) -> dict[str, Any]:
        outcome: dict[str, Any] = {"changed": changed, "msg": message, "path": str(path), "encrypted": False}
        if changed and self._task.diff:
            outcome["diff"] = {"before": "", "after": f"{path}: random values for {names}\n"}
        return outcome


def _sizes(keys: dict[str, Any]) -> dict[str, int]:
    try:
        return {name: int(size) for name, size in keys.items()}
    except (TypeError, ValueError) as error:
        raise env_file.EnvFileError("keys must be names with a number of random bytes each.") from error
