# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Claims and the volumes behind them: what holds them, and how a volume gets another claim without losing a byte."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from .client import Client
from .errors import ApiError, KubeError
from .kinds import WELL_KNOWN
from .pod import claims_of
from .removal import remove

CLAIMS, VOLUMES, PODS = (WELL_KNOWN["v1", name] for name in ("PersistentVolumeClaim", "PersistentVolume", "Pod"))
BIND_SECONDS = 60

Object = Mapping[str, Any]


def volume_of(client: Client, namespace: str, claim: str) -> str:
    """Name of the volume that a claim is bound to; empty when there is no such claim, or no volume yet."""
    found = client.find(CLAIMS, namespace, claim)
    return str(found["spec"].get("volumeName") or "") if found else ""


def users_of(client: Client, namespace: str, claims: Iterable[str]) -> list[str]:
    """Names of the pods that have one of the claims mounted, or may have: also those that are about to stop."""
    wanted = set(claims)
    return [
        pod["metadata"]["name"]
        for pod in client.list(PODS, namespace)
        if wanted & claims_of(pod) and (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed")
    ]


def reclaim_policy(client: Client, volume: str) -> str:
    return str(_volume(client, volume)["spec"].get("persistentVolumeReclaimPolicy") or "Delete")


def set_reclaim_policy(client: Client, volume: str, policy: str) -> None:
    """`Retain` keeps the data when the claim goes, `Delete` removes both."""
    if reclaim_policy(client, volume) != policy:
        client.merge(VOLUMES, "", volume, {"spec": {"persistentVolumeReclaimPolicy": policy}})


def release(client: Client, namespace: str, claim: str, volume: str) -> None:
    """Delete a claim if it is bound to this volume, which must be retained; another claim of that name is left alone."""
    if volume_of(client, namespace, claim) != volume:
        return
    if reclaim_policy(client, volume) != "Retain":
        raise KubeError(f"PersistentVolume {volume} would be deleted with its claim {claim}: nothing was touched.")
    remove(client, CLAIMS, namespace, claim)


def bind(
    client: Client,
    namespace: str,
    claim: str,
    volume: str,
    labels: Mapping[str, str],
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Make a claim that is bound to this volume; a claim that is there already must be that one.

    Raises KubeError when the name is taken by another volume, or the two are not bound in time.
    """
    for _try in range(BIND_SECONDS * 5):
        if _claimed(client, namespace, claim, volume, labels):
            found = client.find(CLAIMS, namespace, claim)
            if found is not None and (found.get("status") or {}).get("phase") == "Bound":
                return
        sleep(0.2)
    raise KubeError(
        f"PersistentVolumeClaim {claim} is not bound to {volume} after {BIND_SECONDS} s:"
        f" see `kubectl describe pvc {claim} -n {namespace}`, then run this again."
    )


def _claimed(client: Client, namespace: str, claim: str, volume: str, labels: Mapping[str, str]) -> bool:
    """Reserve the volume for the claim and make it, unless it is there; false when the volume changed meanwhile.

    A volume that is bound must not be reserved once more: its claim would be lost. So it is read before the claim is looked
    for, and changed only as it was read.
    """
    read = _volume(client, volume)
    found = client.find(CLAIMS, namespace, claim)
    if found is not None:
        if found["spec"].get("volumeName") != volume:
            raise KubeError(
                f"PersistentVolumeClaim {claim} was made anew while the volumes were exchanged: scale its pods to 0, run"
                f" `kubectl delete pvc {claim} -n {namespace}` if nothing on it is needed, and run this again."
            )
        return True
    owner = read["spec"].get("claimRef") or {}
    if (owner.get("namespace"), owner.get("name"), owner.get("uid")) != (namespace, claim, None):
        reserved = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "namespace": namespace, "name": claim}
        change = {
            "metadata": {"resourceVersion": read["metadata"].get("resourceVersion")},
            "spec": {"claimRef": {**reserved, "uid": None, "resourceVersion": None}},
        }
        try:
            client.merge(VOLUMES, "", volume, change)
        except ApiError as error:
            if error.status != 409:
                raise
            return False
    client.apply(CLAIMS, _claim(namespace, claim, volume, read["spec"], labels))
    return True


def _volume(client: Client, name: str) -> dict[str, Any]:
    found = client.find(VOLUMES, "", name)
    if found is None:
        raise KubeError(f"PersistentVolume {name} is gone: its data can only come from a backup.")
    return found


def _claim(namespace: str, name: str, volume: str, spec: Object, labels: Mapping[str, str]) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name, "namespace": namespace, "labels": dict(labels)},
        "spec": {
            "accessModes": spec["accessModes"],
            "storageClassName": spec.get("storageClassName") or "",
            "volumeMode": spec.get("volumeMode") or "Filesystem",
            "volumeName": volume,
            "resources": {"requests": {"storage": spec["capacity"]["storage"]}},
        },
    }
