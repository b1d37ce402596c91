# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Brings a set of objects to what its manifests say."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from .client import FIELD_MANAGER, Client
from .compare import diff, same_content
from .errors import ApiError, KubeError
from .kinds import WELL_KNOWN
from .live import LiveSet, may_be_pruned
from .manifests import Manifest, describe
from .ownership import is_applied
from .recorded import with_checksum, with_kept_data
from .refusal import explain
from .removal import remove


@dataclass(frozen=True)
class Change:
    """What was (in a dry run: would be) done to one object."""

    action: str
    kind: str
    name: str
    before: Mapping[str, Any] | None = field(default=None, repr=False)
    after: Mapping[str, Any] | None = field(default=None, repr=False)

    @property
    def changes_something(self) -> bool:
        return self.action not in ("unchanged", "orphaned")

    def diff(self) -> dict[str, str]:
        return diff(self.before, self.after)


def resolve(desired: Iterable[Manifest], live: LiveSet | None) -> list[Manifest]:
    """The manifests with what the cluster alone knows: kept data, and hashes of what pods read."""
    kept = [with_kept_data(item, live.of(item) if live else None) for item in desired]
    of_set = {(item["kind"], item["metadata"].get("namespace"), item["metadata"]["name"]): item for item in kept}
    elsewhere: dict[tuple[str, str, str], Mapping[str, Any] | None] = {}

    def data_of(namespace: str, kind: str, name: str) -> Mapping[str, str] | None:
        key = kind, namespace, name
        if key not in of_set and key not in elsewhere:
            elsewhere[key] = live.client.find(WELL_KNOWN["v1", kind], namespace, name) if live else None
        found = of_set.get(key) or elsewhere.get(key)
        return None if found is None else {**(found.get("data") or {}), **(found.get("binaryData") or {})}

    def lookup_in(namespace: str) -> Callable[[str, str], Mapping[str, str] | None]:
        return lambda kind, name: data_of(namespace, kind, name)

    return [with_checksum(item, lookup_in(item["metadata"].get("namespace", ""))) for item in kept]


def apply_one(client: Client, manifest: Manifest, live: LiveSet, dry_run: bool) -> Change:
    """Apply one object; KubeError says in one sentence why it could not be."""
    before = live.of(manifest)
    try:
        if before is not None and _has_failed(before):
            return _recreate(client, manifest, before, live, dry_run)
        if before is not None and is_applied(before, manifest, FIELD_MANAGER):
            return _change("unchanged", manifest, before, before)
        if before is None and dry_run and not live.namespace_exists(manifest):
            return _change("created", manifest, None, manifest)
        after = client.apply(live.kind(manifest), manifest, dry_run)
    except ApiError as error:
        raise KubeError(explain(error, manifest, before)) from error
    if before is None:
        return _change("created", manifest, None, manifest)
    return _change("unchanged" if same_content(before, after) else "configured", manifest, before, after)


def prune(client: Client, leavers: Iterable[Manifest], live: LiveSet, dry_run: bool) -> Iterator[Change]:
    """Remove what left the set; what holds data is only reported."""
    for leaver in leavers:
        metadata = leaver["metadata"]
        if not may_be_pruned(leaver):
            yield _change("orphaned", leaver, leaver, leaver)
            continue
        try:
            client.delete(live.kind(leaver), metadata.get("namespace", ""), metadata["name"], dry_run)
        except ApiError as error:
            raise KubeError(f"{describe(leaver)} left the set and cannot be removed: {error}") from error
        yield _change("pruned", leaver, leaver, None)


def _recreate(client: Client, manifest: Manifest, before: Manifest, live: LiveSet, dry_run: bool) -> Change:
    """A Job that failed never runs again by itself: it makes room for a new one."""
    kind, metadata = live.kind(manifest), manifest["metadata"]
    if not dry_run:
        remove(client, kind, metadata["namespace"], metadata["name"])
        client.apply(kind, manifest)
    return _change("recreated", manifest, before, manifest)


def _has_failed(manifest: Manifest) -> bool:
    conditions = (manifest.get("status") or {}).get("conditions") or []
    return manifest["kind"] == "Job" and any(c["type"] == "Failed" and c["status"] == "True" for c in conditions)


def _change(
    action: str, manifest: Manifest, before: Mapping[str, Any] | None, after: Mapping[str, Any] | None
) -> Change:
    return Change(action, manifest["kind"], manifest["metadata"]["name"], before, after)
