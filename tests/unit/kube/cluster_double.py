"""A cluster in memory: objects, and as much of the controllers as an exchange of volumes sees of them."""

from __future__ import annotations

import copy
from typing import Any

from ansible_collections.hustlex.platform.plugins.module_utils.kube.errors import ApiError
from ansible_collections.hustlex.platform.plugins.module_utils.kube.kinds import WELL_KNOWN, Kind

KINDS = {kind.name: kind for kind in WELL_KNOWN.values()}


class KilledError(BaseException):
    """The controller's process ends here; nothing catches it."""


class ClusterDouble:
    """Takes the calls of Client. kill_at: number of the request that the caller does not survive.

    A killed request is lost before or after it took effect, as `after` says.
    """

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], dict[str, Any]] = {}
        self.requests = 0
        self.kill_at = 0
        self.after = False
        self.events: list[str] = []
        self.allowed = True

    def add(self, kind: str, name: str, **body: Any) -> dict[str, Any]:
        api = KINDS[kind].api_version
        manifest = {"apiVersion": api, "kind": kind, "metadata": {"name": name, "uid": f"{kind}-{name}"}, **body}
        self.objects[kind, name] = manifest
        return manifest

    def find(self, kind: Kind, _namespace: str, name: str) -> dict[str, Any] | None:
        self._request()
        self._control()
        found = self.objects.get((kind.name, name))
        return copy.deepcopy(found)

    def list(self, kind: Kind, _namespace: str = "", selector: str = "") -> list[dict[str, Any]]:
        self._request()
        self._control()
        wanted = dict(each.split("=") for each in selector.split(",") if each)
        return [
            copy.deepcopy(item)
            for (of_kind, _name), item in self.objects.items()
            if of_kind == kind.name and wanted.items() <= (item["metadata"].get("labels") or {}).items()
        ]

    def list_metadata(self, kind: Kind, _namespace: str, label: str) -> list[dict[str, Any]]:
        self._request()
        return [
            {"metadata": copy.deepcopy(item["metadata"])}
            for (of_kind, _name), item in self.objects.items()
            if of_kind == kind.name and label in (item["metadata"].get("labels") or {})
        ]

    def create(self, kind: Kind, manifest: dict[str, Any]) -> dict[str, Any]:
        with_effect = self._begin()
        if with_effect:
            key = kind.name, manifest["metadata"]["name"]
            if key in self.objects:
                raise ApiError(f"{kind.name} {key[1]} already exists", 409)
            self.objects[key] = copy.deepcopy(manifest)
        self._end()
        return manifest

    def merge(self, kind: Kind, _namespace: str, name: str, change: dict[str, Any]) -> dict[str, Any]:
        with_effect = self._begin()
        if with_effect:
            _merge(self.objects[kind.name, name], change)
        self._end()
        return self.objects[kind.name, name]

    def apply(self, kind: Kind, manifest: dict[str, Any]) -> dict[str, Any]:
        with_effect = self._begin()
        if with_effect:
            name = manifest["metadata"]["name"]
            old = self.objects.get((kind.name, name), {})
            uid = {"uid": f"{kind.name}-{name}-{self.requests}"} if not old else old["metadata"]
            self.objects[kind.name, name] = {
                **old,
                **copy.deepcopy(manifest),
                "metadata": {**manifest["metadata"], **uid},
            }
        self._end()
        return manifest

    def delete(self, kind: Kind, _namespace: str, name: str) -> None:
        with_effect = self._begin()
        if with_effect:
            self.objects.pop((kind.name, name), None)
            self._control()
        self._end()

    def may(self, *_arguments: str) -> bool:
        return self.allowed

    def _request(self) -> None:
        self.requests += 1
        if self.requests == self.kill_at and not self.after:
            raise KilledError

    def _begin(self) -> bool:
        self._request()
        return True

    def _end(self) -> None:
        self._control()
        if self.requests == self.kill_at and self.after:
            raise KilledError

    def _control(self) -> None:
        """One round of the controllers of StatefulSets, Deployments and volumes."""
        for (kind, name), item in list(self.objects.items()):
            if kind in ("StatefulSet", "Deployment"):
                self._run_pods(name, item)
        for (kind, name), item in list(self.objects.items()):
            if kind == "PersistentVolume":
                self._volume(name, item)

    def _run_pods(self, name: str, item: dict[str, Any]) -> None:
        wanted = item["spec"]["replicas"]
        template = item["spec"]["template"]
        for number in range(4):
            pod = ("Pod", f"{name}-{number}")
            if number >= wanted:
                self.objects.pop(pod, None)
            elif pod not in self.objects:
                claims = [f"{each}-{name}-{number}" for each in item.get("claims", [])] + item.get("fixed", [])
                for claim in claims:
                    self._claim(claim)
                spec = {"volumes": [{"persistentVolumeClaim": {"claimName": claim}} for claim in claims]}
                self.add("Pod", pod[1], spec=spec, status={"phase": "Running"})
                self.objects[pod]["metadata"]["labels"] = template["metadata"].get("labels", {})
                data = [self.data_of(claim) for claim in claims]
                primary = self.objects["ConfigMap", "postgres-topology"]["data"]["primary"]
                self.events.append(f"{pod[1]} on {','.join(data)} with primary {primary}")
        item["metadata"]["generation"] = 1
        item["status"] = {
            "observedGeneration": 1, "replicas": wanted, "readyReplicas": wanted, "updatedReplicas": wanted,
            "availableReplicas": wanted, "currentRevision": "1", "updateRevision": "1",
        }  # fmt: skip

    def _claim(self, name: str) -> None:
        if ("PersistentVolumeClaim", name) not in self.objects:
            self.add("PersistentVolumeClaim", name, spec={"volumeName": f"new-{name}"}, status={"phase": "Bound"})
            self.volume(f"new-{name}", name, f"empty-{name}")

    def volume(self, name: str, claim: str, data: str, policy: str = "Delete") -> None:
        self.add("PersistentVolume", name, data=data)
        self.objects["PersistentVolume", name]["spec"] = {
            "persistentVolumeReclaimPolicy": policy,
            "storageClassName": "standard",
            "accessModes": ["ReadWriteOnce"],
            "capacity": {"storage": "2Gi"},
            "claimRef": {"namespace": "n", "name": claim, "uid": f"PersistentVolumeClaim-{claim}"},
        }

    def _volume(self, name: str, item: dict[str, Any]) -> None:
        reference = item["spec"].get("claimRef") or {}
        claim = self.objects.get(("PersistentVolumeClaim", reference.get("name", "")))
        uid = reference.get("uid")
        if uid and (claim is None or claim["metadata"]["uid"] != uid):
            if item["spec"]["persistentVolumeReclaimPolicy"] == "Delete":
                del self.objects["PersistentVolume", name]
                self.events.append(f"deleted {item['data']}")
        elif not uid and claim is not None and claim["spec"].get("volumeName") == name:
            reference["uid"] = claim["metadata"]["uid"]
            claim["status"] = {"phase": "Bound"}

    def data_of(self, claim: str) -> str:
        name = self.objects["PersistentVolumeClaim", claim]["spec"]["volumeName"]
        return str(self.objects["PersistentVolume", name]["data"])


def _merge(target: dict[str, Any], change: dict[str, Any]) -> None:
    for key, value in change.items():
        if value is None:
            target.pop(key, None)
        elif isinstance(value, dict):
            _merge(target.setdefault(key, {}), value)
        else:
            target[key] = value
