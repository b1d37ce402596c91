# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Compares what we want with what is there, and two states of one object as a diff."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .manifests import Manifest, describe, dump
from .mask import masked_pair

_SERVER_FIELDS = ("creationTimestamp", "generation", "managedFields", "resourceVersion", "selfLink", "uid")
_NOISE = (
    "kubectl.kubernetes.io/last-applied-configuration",  # may hold a Secret's values in plain text
    "deployment.kubernetes.io/revision",
)


def covers(live: Any, desired: Any) -> bool:
    """Whether the live value holds everything that is desired; what else it holds does not matter.

    Values that the server writes in another form ("0.5" for "500m") count as different.
    """
    if isinstance(desired, Mapping):
        return isinstance(live, Mapping) and all(
            value is None or (key in live and covers(live[key], value)) for key, value in desired.items()
        )
    if isinstance(desired, list):
        return (
            isinstance(live, list)
            and len(live) == len(desired)
            and all(covers(have, want) for have, want in zip(live, desired, strict=True))
        )
    return type(live) is type(desired) and bool(live == desired)


def differing_fields(live: Mapping[str, Any], desired: Mapping[str, Any]) -> list[str]:
    """Names of the fields right below `spec` whose desired value the live object does not hold."""
    have, want = live.get("spec") or {}, desired.get("spec") or {}
    return [f"spec.{name}" for name, value in want.items() if not covers(have.get(name), value)]


def content(manifest: Mapping[str, Any]) -> Manifest:
    """An object without what the server and its controllers keep about it."""
    metadata = {key: value for key, value in manifest["metadata"].items() if key not in _SERVER_FIELDS}
    annotations = {key: value for key, value in (metadata.pop("annotations", None) or {}).items() if key not in _NOISE}
    if annotations:
        metadata["annotations"] = annotations
    rest = {key: value for key, value in manifest.items() if key not in ("apiVersion", "kind", "metadata", "status")}
    return {"apiVersion": manifest["apiVersion"], "kind": manifest["kind"], "metadata": metadata, **rest}


def same_content(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Whether two states differ in nothing but bookkeeping; a dry run keeps the resourceVersion whatever it changes."""
    return content(before) == content(after)


def diff(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> dict[str, str]:
    """A diff as Ansible shows it, with secrets hidden."""
    named = after or before
    if named is None:
        return {}
    hidden_before, hidden_after = masked_pair(
        content(before) if before is not None else None, content(after) if after is not None else None
    )
    header = describe(named)
    return {
        "before_header": header if before is not None else f"{header} (absent)",
        "after_header": header if after is not None else f"{header} (absent)",
        "before": dump(hidden_before) if hidden_before is not None else "",
        "after": dump(hidden_after) if hidden_after is not None else "",
    }
