# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is there of a set before it is applied: one LIST per kind, by the label of the set."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from .client import Client
from .errors import ApiError
from .kinds import NEVER_PRUNED, WELL_KNOWN, Kind
from .manifests import SET_LABEL, SET_NAMESPACE_LABEL, Manifest, identity

# With "false" an object stays when it leaves its set: whoever knows when it is of no more use removes it.
PRUNE = "hustlex.app/prune"
# A kind that left a set altogether is still looked for; what controllers make by themselves is not.
_MADE_BY_CONTROLLERS = frozenset({"Endpoints", "EndpointSlice", "Event", "Lease", "Pod", "ReplicaSet"})
_CLUSTER_WIDE = frozenset({"ClusterRole", "ClusterRoleBinding"})
PRUNED_KINDS = tuple(
    kind
    for kind in WELL_KNOWN.values()
    if (kind.name in _CLUSTER_WIDE) or (kind.namespaced and kind.name not in _MADE_BY_CONTROLLERS)
)


@dataclass
class LiveSet:
    """Live objects by identity, and the served kind of each desired one."""

    client: Client
    name: str
    namespace: str
    kinds: dict[tuple[str, str], Kind] = field(default_factory=dict)
    objects: dict[tuple[str, str, str, str], Manifest] = field(default_factory=dict)
    _namespaces: dict[str, bool] = field(default_factory=dict)

    @classmethod
    def read(cls, client: Client, name: str, namespace: str, desired: Iterable[Manifest], whole: bool) -> LiveSet:
        """LIST what carries the label of the set, then GET what is desired and was not among it.

        whole: also look for kinds that no desired object has, which is needed to prune.
        """
        live = cls(client, name, namespace)
        places: dict[tuple[Kind, str], bool] = {}
        wanted = list(desired)
        for manifest in wanted:
            kind = live.kind(manifest)
            places[kind, manifest["metadata"].get("namespace", "")] = True
        if whole:
            for kind in PRUNED_KINDS:
                places.setdefault((kind, namespace if kind.namespaced else ""), False)
        for (kind, place), is_wanted in places.items():
            live._list(kind, place, must=is_wanted)
        for manifest in wanted:
            if identity(manifest) not in live.objects and live.namespace_exists(manifest):
                live._get(manifest)
        return live

    def of(self, manifest: Manifest) -> Manifest | None:
        """The live object of a manifest."""
        return self.objects.get(identity(manifest))

    def kind(self, manifest: Manifest) -> Kind:
        key = manifest["apiVersion"], manifest["kind"]
        if key not in self.kinds:
            self.kinds[key] = self.client.kind(*key)
        return self.kinds[key]

    def leavers(self, desired: Iterable[Manifest]) -> list[Manifest]:
        """Objects of the set that are no longer in it, what depends on others first."""
        staying = {identity(manifest) for manifest in desired}
        return [
            manifest
            for key, manifest in reversed(self.objects.items())
            if key not in staying and not _has_controller(manifest) and not _is_spared(manifest)
        ]

    def namespace_exists(self, manifest: Manifest) -> bool:
        """Whether the namespace that the manifest goes to is there; true for what needs none."""
        name = manifest["metadata"].get("namespace", "")
        if not name or any(item["metadata"].get("namespace") == name for item in self.objects.values()):
            return True
        if name not in self._namespaces:
            self._namespaces[name] = _namespace_exists(self.client, name)
        return self._namespaces[name]

    def _list(self, kind: Kind, place: str, must: bool) -> None:
        selector = f"{SET_LABEL}={self.name}"
        if not kind.namespaced:
            selector += f",{SET_NAMESPACE_LABEL}={self.namespace}"
        try:
            found = self.client.list(kind, place, selector)
        except ApiError as error:
            # Kinds that only pruning asks for may be out of our reach: what we may not see we have not made.
            if must or error.status not in (403, 404):
                raise
            return
        for manifest in found:
            self.kinds[manifest["apiVersion"], manifest["kind"]] = kind
            self.objects[identity(manifest)] = manifest

    def _get(self, manifest: Manifest) -> None:
        metadata = manifest["metadata"]
        found = self.client.find(self.kind(manifest), metadata.get("namespace", ""), metadata["name"])
        if found is not None:
            self.objects[identity(manifest)] = found


def may_be_pruned(manifest: Manifest) -> bool:
    return manifest["kind"] not in NEVER_PRUNED


def _has_controller(manifest: Manifest) -> bool:
    return any(owner.get("controller") for owner in manifest["metadata"].get("ownerReferences") or [])


def _is_spared(manifest: Manifest) -> bool:
    return (manifest["metadata"].get("annotations") or {}).get(PRUNE) == "false"


def _namespace_exists(client: Client, name: str) -> bool:
    try:
        return client.find(WELL_KNOWN["v1", "Namespace"], "", name) is not None
    except ApiError as error:
        if error.status == 403:
            return True  # a user of one namespace may not read namespaces
        raise
