# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The default namespace of a kubeconfig's context, guide 2.2."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import yaml


class ContextError(Exception):
    """The kubeconfig has no such context."""


def with_namespace(kubeconfig: dict[str, Any], context: str, namespace: str) -> tuple[dict[str, Any], bool]:
    """A kubeconfig whose context (the current one when empty) has the default namespace, and whether that is new.

    :raises ContextError: when the context does not exist
    """
    name = context or kubeconfig.get("current-context", "")
    contexts = kubeconfig.get("contexts") or []
    if name not in [item["name"] for item in contexts]:
        known = ", ".join(sorted(item["name"] for item in contexts)) or "none"
        raise ContextError(f'The kubeconfig has no context "{name}"; it has: {known}.')
    changed = [
        {**item, "context": {**item["context"], "namespace": namespace}} if item["name"] == name else item
        for item in contexts
    ]
    return {**kubeconfig, "contexts": changed}, changed != contexts


def replace_file(path: Path, content: dict[str, Any]) -> None:
    """Write a kubeconfig at once or not at all, readable by its owner only."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            yaml.safe_dump(content, file, sort_keys=False)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
