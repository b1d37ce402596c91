# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The records of releases on the cluster: read, add, prune."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..kube.client import Client
from ..kube.errors import ApiError, KubeError
from ..kube.kinds import WELL_KNOWN
from ..kube.manifests import Manifest
from ..kube.pod import has_ended
from .record import NAME, NUMBER, Release, config_map, newest_number, outdated, parse

CONFIG_MAPS = WELL_KNOWN["v1", "ConfigMap"]
# Label of the copies of the configuration that the pods of a release read.
CONFIG_COPY = "hustlex.app/config-copy"
_ATTEMPTS = 5


def read_releases(client: Client, namespace: str) -> list[Release]:
    """All releases on record, the newest first; without their manifests."""
    found = [parse(item["metadata"]) for item in client.list_metadata(CONFIG_MAPS, namespace, NUMBER)]
    return sorted(found, key=lambda each: each.number, reverse=True)


def find_release(releases: Sequence[Release], number: int) -> Release:
    """The release of that number; KubeError names those that there are."""
    for each in releases:
        if each.number == number:
            return each
    if not releases:
        raise KubeError(f"There is no release {number}: none was recorded in this namespace yet.")
    newest, oldest = releases[0].number, releases[-1].number
    gone = " (older ones were pruned)" if number < oldest else ""
    raise KubeError(
        f"There is no release {number}: on record are {oldest} to {newest}{gone}; playbooks/history.yml lists them."
    )


def manifests_of(client: Client, namespace: str, number: int) -> list[Manifest]:
    """What a release deployed."""
    found = client.find(CONFIG_MAPS, namespace, f"{NAME}{number}")
    try:
        manifests: list[Manifest] = json.loads((found or {})["data"]["manifests.json"])
    except (KeyError, ValueError) as error:
        raise KubeError(f"The record of release {number} holds no manifests any more.") from error
    return manifests


def images_of(client: Client, namespace: str, manifests: Sequence[Manifest]) -> dict[str, str]:
    """`container: imageID` of what the nodes run for the Deployments of a release."""
    selectors = {
        ",".join(f"{key}={value}" for key, value in item["spec"]["selector"]["matchLabels"].items())
        for item in manifests
        if item["kind"] == "Deployment"
    }
    pods = [pod for selector in sorted(selectors) for pod in client.list(WELL_KNOWN["v1", "Pod"], namespace, selector)]
    found: dict[str, str] = {}
    for each in pods:
        if not each["metadata"].get("deletionTimestamp") and not has_ended(each):
            for status in (each.get("status") or {}).get("containerStatuses") or []:
                # A pod that only starts has no image yet.
                found[status["name"]] = str(status.get("imageID") or found.get(status["name"], ""))
    return found


def add_release(
    client: Client,
    namespace: str,
    release: Release,
    manifests: Sequence[Manifest],
    evidence: Sequence[Mapping[str, Any]],
    keep: int,
    warn: Callable[[str], None] = lambda _sentence: None,
) -> Release:
    """Record a release under the next free number, and let go of the records and configurations that nobody needs.

    What cannot be let go of is no fault of the release: warn is told.
    """
    number = newest_number(read_releases(client, namespace))
    for _attempt in range(_ATTEMPTS):
        number += 1
        numbered = release.with_number(number)
        try:
            client.create(CONFIG_MAPS, config_map(numbered, manifests, evidence, namespace))
        except ApiError as error:
            if error.status != 409:
                raise
        else:
            try:
                _prune(client, namespace, keep)
            except KubeError as error:
                warn(f"Old releases and their settings stay for now, and the next release tries again: {error}")
            return numbered
    raise KubeError("Other runs record releases at the same moment again and again: run it again.")


def _prune(client: Client, namespace: str, keep: int) -> None:
    """Raises KubeError; without the manifests of a release that is kept nobody knows which configurations it needs."""
    releases = read_releases(client, namespace)
    gone = outdated(releases, keep)
    for each in gone:
        client.delete(CONFIG_MAPS, namespace, f"{NAME}{each.number}")
    if not gone:
        return
    needed: set[str] = set()
    for each in releases:
        if each not in gone:
            names = (item["metadata"]["name"] for item in manifests_of(client, namespace, each.number))
            needed.update(names)
    for copy in client.list_metadata(CONFIG_MAPS, namespace, CONFIG_COPY):
        if copy["metadata"]["name"] not in needed:
            client.delete(CONFIG_MAPS, namespace, copy["metadata"]["name"])
