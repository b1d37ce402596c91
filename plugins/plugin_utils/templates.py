# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Renders a role's manifest templates with the variables, filters and lookups of the task, as `template` does."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase
from ansible.template import trust_as_template

from ..module_utils.kube.errors import ManifestError


def rendered(action: ActionBase, patterns: Iterable[str], variables: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(file name, text) of the templates of a task's role."""
    search_path = action._task.get_search_path()
    return render(action._templar, find_templates(patterns, search_path), search_path, variables)


def find_templates(patterns: Iterable[str], search_path: Iterable[str]) -> list[Path]:
    """Files below the nearest `templates` folder, sorted by path within each pattern, each file once."""
    folders = [folder for base in search_path if (folder := Path(base) / "templates").is_dir()]
    found: dict[Path, None] = {}
    for pattern in patterns:
        for folder in folders:
            if matches := sorted(path for path in folder.glob(pattern) if path.is_file()):
                found.update(dict.fromkeys(matches))
                break
        else:
            places = ", ".join(str(folder) for folder in folders) or "any templates folder of this role"
            raise ManifestError(f'No template matches "{pattern}" in {places}.')
    return list(found)


def render(
    templar: Any, paths: Iterable[Path], search_path: Iterable[str], variables: Mapping[str, Any]
) -> Iterator[tuple[str, str]]:
    """(file name, text) of each template."""
    for path in paths:
        folders = [str(path.parent), *(str(Path(base) / "templates") for base in search_path), *search_path]
        engine = templar.copy_with_new_env(searchpath=folders, available_variables=variables)
        try:
            text = engine.template(
                trust_as_template(path.read_text(encoding="utf-8")),
                escape_backslashes=False,
                overrides={"trim_blocks": True, "lstrip_blocks": False, "newline_sequence": "\n"},
            )
        except AnsibleError as error:
            raise ManifestError(f"{path.name} cannot be rendered: {_innermost(error)}") from error
        # A template that is one expression gives data instead of text, which is YAML as JSON.
        yield path.name, _plain(text) if isinstance(text, str) else json.dumps(text)


def _plain(text: str) -> str:
    """The text without the tags that Ansible keeps on its strings: the YAML parser wants plain ones."""
    return text.encode().decode()


def _innermost(error: BaseException) -> str:
    """What the failing filter or lookup itself said, without the layers that Ansible puts around it."""
    while error.__cause__ is not None:
        error = error.__cause__
    message = getattr(error, "message", None) or str(error)
    return str(message).strip()
