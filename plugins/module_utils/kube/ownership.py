# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tells without a request whether a server-side apply would change nothing.

Every object says in metadata.managedFields which fields we applied last. If these are the fields that we would apply now,
and their values are the live ones, there is nothing to do. Whatever is not sure counts as different: the server decides.
https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

_IDENTITY = ("name", "namespace")


def is_applied(live: Mapping[str, Any], desired: Mapping[str, Any], manager: str) -> bool:
    """Whether applying `desired` as `manager` is known to leave the live object as it is."""
    metadata = live["metadata"]
    ours = [
        entry
        for entry in metadata.get("managedFields") or []
        if entry.get("manager") == manager and entry.get("operation") == "Apply" and not entry.get("subresource")
    ]
    if len(ours) != 1 or ours[0].get("apiVersion") != desired["apiVersion"] or metadata.get("deletionTimestamp"):
        return False
    wanted = {key: value for key, value in desired.items() if key not in ("apiVersion", "kind")}
    wanted["metadata"] = {key: value for key, value in desired["metadata"].items() if key not in _IDENTITY}
    return _same_map(live, wanted, ours[0].get("fieldsV1") or {})


def _same(live: Any, desired: Any, owned: Mapping[str, Any]) -> bool:
    """Whether one field has the desired value, and we own exactly the desired part of it."""
    if not owned or isinstance(desired, str | int | float | bool):
        # A leaf: a plain value, an empty one, or a map or list that is owned only as a whole.
        return not (owned.keys() - {"."}) and type(live) is type(desired) and bool(live == desired)
    if isinstance(desired, Mapping):
        return isinstance(live, Mapping) and _same_map(live, desired, owned)
    return isinstance(live, list) and isinstance(desired, list) and _same_list(live, desired, owned)


def _same_map(live: Mapping[str, Any], desired: Mapping[str, Any], owned: Mapping[str, Any]) -> bool:
    fields = {name.removeprefix("f:"): part for name, part in owned.items() if name != "."}
    # An empty map or list that the server neither keeps nor counts as ours is the same as none.
    wanted = {
        name: value
        for name, value in desired.items()
        if value is not None and not (value in ({}, []) and name not in fields and name not in live)
    }
    return fields.keys() == wanted.keys() and all(
        name in live and _same(live[name], value, fields[name]) for name, value in wanted.items()
    )


def _same_list(live: list[Any], desired: list[Any], owned: Mapping[str, Any]) -> bool:
    """Lists whose items the server knows by key (`k:`) or, for sets, by value (`v:`); in the desired order."""
    parts = {name: part for name, part in owned.items() if name != "."}
    if len(parts) != len(desired) or len(live) < len(desired):
        return False
    places = []
    for item in desired:
        name = next((name for name in parts if _names(name, item)), None)
        place = next((index for index, each in enumerate(live) if name and _names(name, each)), None)
        if name is None or place is None:
            return False
        if name.startswith("k:") and not _same_item(live[place], item, parts[name], json.loads(name[2:])):
            return False
        places.append(place)
    return places == sorted(places)


def _same_item(live: Any, desired: Any, owned: Mapping[str, Any], keys: Mapping[str, Any]) -> bool:
    """An item of a list; its keys are ours even where we leave them to their defaults (`protocol: TCP`)."""
    if not isinstance(live, Mapping) or not isinstance(desired, Mapping):
        return False
    left_out = {f"f:{key}" for key in keys if key not in desired}
    return _same_map(live, desired, {name: part for name, part in owned.items() if name not in left_out})


def _names(name: str, item: Any) -> bool:
    """Whether `k:{"port":80,"protocol":"TCP"}` or `v:"x"` stands for the item."""
    if name.startswith("v:"):
        return bool(json.loads(name[2:]) == item)
    if not name.startswith("k:") or not isinstance(item, Mapping):
        return False
    keys = json.loads(name[2:])
    return any(key in item for key in keys) and all(item.get(key, value) == value for key, value in keys.items())
