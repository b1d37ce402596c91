# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Secrets never appear: in diffs, in rendered files, in evidence."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

MASK = "***"
CHANGED = "*** (changed)"

# Shorter values ("app", "5432") occur in ordinary text, and hiding them would make it unreadable.
SHORTEST_MASKED_VALUE = 6


class Masker:
    """Replaces known secret values in text."""

    def __init__(self, values: Iterable[str] = ()) -> None:
        self._values = sorted({v for v in values if len(v) >= SHORTEST_MASKED_VALUE}, key=len, reverse=True)

    @classmethod
    def of_secrets(cls, secrets: Iterable[Mapping[str, Any]]) -> Masker:
        """A masker of the values of these Secrets: as they are, in base64, in a URL, in JSON, and line by line."""
        values: set[str] = set()
        for secret in secrets:
            for encoded in (secret.get("data") or {}).values():
                text = _decoded(encoded)
                in_json = json.dumps(text.strip())[1:-1]
                values.update({encoded, text, text.strip(), quote(text, safe=""), in_json, *text.splitlines()})
        return cls(values)

    def text(self, text: str) -> str:
        for value in self._values:
            if value in text:
                text = text.replace(value, MASK)
        return text


def masked(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """The object with the values of a Secret hidden."""
    return masked_pair(None, manifest)[1] or {}


def masked_pair(
    before: Mapping[str, Any] | None, after: Mapping[str, Any] | None
) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    """Two states of one object with a Secret's values hidden; a value that differs is marked as changed."""
    return _hidden(before, None), _hidden(after, before)


def _hidden(manifest: Mapping[str, Any] | None, before: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if manifest is None:
        return None
    if manifest.get("kind") != "Secret":
        return dict(manifest)
    shown = dict(manifest)
    for field in ("data", "stringData"):
        values = manifest.get(field)
        if values:
            old = (before or {}).get(field) or {}
            shown[field] = {key: CHANGED if key in old and old[key] != value else MASK for key, value in values.items()}
    return shown


def _decoded(encoded: str) -> str:
    try:
        return base64.b64decode(encoded).decode("utf-8", errors="replace")
    except (binascii.Error, ValueError):
        return encoded
