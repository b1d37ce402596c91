# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The default namespace of a kubeconfig's context, guide 2.2."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml


class ContextError(Exception):
    """The kubeconfig has no such context, or is none."""


def file_of_context(paths: Iterable[Path], context: str) -> tuple[Path, dict[str, Any], str]:
    """The file that has the context (the current one when empty), its content and the context's name.

    As with kubectl, the first of several files wins, and a change goes to the file that has the context.

    :raises ContextError: when no file has it
    """
    contents = {path: _read(path) for path in paths if path.exists()}
    name = context or next((found for each in contents.values() if (found := each.get("current-context"))), "")
    for path, content in contents.items():
        if name in _context_names(content):
            return path, content, name
    known = ", ".join(sorted(known for each in contents.values() for known in _context_names(each))) or "none"
    where = ", ".join(str(path) for path in contents)
    raise ContextError(
        f'There is no context "{name}" in {where}; it has: {known}.' if name else _no_current(where, known)
    )


def _no_current(where: str, known: str) -> str:
    return f"No context is current in {where}: set cluster_context to one of {known}."


def _read(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ContextError(f"{path} cannot be read as a kubeconfig.") from error
    if not isinstance(content, dict):
        raise ContextError(f"{path} cannot be read as a kubeconfig.")
    return content


def _context_names(kubeconfig: Mapping[str, Any]) -> list[str]:
    return [item["name"] for item in kubeconfig.get("contexts") or []]


def with_namespace(kubeconfig: dict[str, Any], context: str, namespace: str) -> tuple[dict[str, Any], bool]:
    """A kubeconfig whose context has the default namespace, and whether that is new."""
    contexts = kubeconfig.get("contexts") or []
    changed = [
        {**item, "context": {**item["context"], "namespace": namespace}} if item["name"] == context else item
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
