# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Releases of the application: what ran when, as immutable ConfigMaps in its namespace."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from ..kube.errors import KubeError
from ..kube.manifests import Manifest

NAME = "hustlex-release-"
NUMBER, RESULT = "hustlex.app/release", "hustlex.app/release-result"
SUMMARY = "hustlex.app/release-summary"
GOOD, FAILED = "good", "failed"
DEPLOY, ROLLBACK = "deploy", "rollback"
# An object of etcd has 1.5 MiB at most, a ConfigMap 1 MiB: https://kubernetes.io/docs/concepts/configuration/configmap/
MOST_BYTES = 1_000_000


@dataclass(frozen=True)
class Release:
    """One release as it ended, good or failed.

    version: as asked for; reported: what the code calls itself; image: as it was deployed, with its digest where that could
    be known; images: of each container what the nodes ran; content: hash of the manifests, the same for the same release.
    schema, min_compatible_schema: what the code ships with, None when it does not say; database_schema: after the migration.
    outcome: what runs after a failure; of: the release that a rollback brought back, 0 for a deploy.
    started, finished: RFC 3339 in UTC; seconds: from the start to the end.
    """

    number: int
    kind: str
    version: str
    reported: str
    image: str
    content: str
    result: str
    started: str
    finished: str
    seconds: float
    who: str
    git_revision: str = ""
    schema: int | None = None
    min_compatible_schema: int | None = None
    database_schema: int | None = None
    images: dict[str, str] = field(default_factory=dict)
    verification: list[str] = field(default_factory=list)
    reason: str = ""
    outcome: str = ""
    of: int = 0

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Release:
        """What later versions of this collection add is left out."""
        known = {each.name for each in fields(cls)}
        return cls(**{key: value for key, value in data.items() if key in known})

    @property
    def is_good(self) -> bool:
        return self.result == GOOD

    def with_number(self, number: int) -> Release:
        return replace(self, number=number)


def content_of(manifests: Iterable[Manifest]) -> str:
    """A hash of what is deployed; two releases with the same one differ in nothing."""
    ordered = sorted(json.dumps(manifest, sort_keys=True) for manifest in manifests)
    return hashlib.sha256("\n".join(ordered).encode()).hexdigest()[:16]


def config_map(
    release: Release, manifests: Sequence[Manifest], evidence: Sequence[Mapping[str, Any]], namespace: str
) -> Manifest:
    """The record as it is created. Raises KubeError for a Secret among the manifests: a record holds no secret."""
    secret = next((item["metadata"]["name"] for item in manifests if item["kind"] == "Secret"), None)
    if secret is not None:
        raise KubeError(f"Secret {secret} is among the manifests of a release, whose record must not hold secrets.")
    data = {
        "manifests.json": json.dumps(list(manifests), indent=1),
        "evidence.json": json.dumps(list(evidence), indent=1),
    }
    size = sum(len(text.encode()) for text in data.values())
    if size > MOST_BYTES:
        raise KubeError(f"The record of a release of {size} bytes is larger than a ConfigMap may be ({MOST_BYTES}).")
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": f"{NAME}{release.number}",
            "namespace": namespace,
            "labels": {
                "app.kubernetes.io/part-of": "hustlex",
                "app.kubernetes.io/component": "release",
                NUMBER: str(release.number),
                RESULT: release.result,
            },
            "annotations": {SUMMARY: json.dumps(asdict(release))},
        },
        "immutable": True,
        "data": data,
    }


def parse(metadata: Mapping[str, Any]) -> Release:
    """The release out of the metadata of its record."""
    try:
        return Release.from_dict(json.loads(metadata["annotations"][SUMMARY]))
    except (KeyError, TypeError, ValueError) as error:
        name = metadata.get("name")
        raise KubeError(
            f"ConfigMap {name} is no record of a release any more: remove it, if somebody edited it."
        ) from error


def last_good(releases: Iterable[Release]) -> Release | None:
    """The newest release that was verified, from releases in any order."""
    return max((each for each in releases if each.is_good), key=lambda each: each.number, default=None)


def newest_number(releases: Iterable[Release]) -> int:
    """Number of the newest release on record, good or failed; 0 when there is none."""
    return max((each.number for each in releases), default=0)


def previous_good(releases: Iterable[Release]) -> Release | None:
    """Where a rollback goes: the newest good release of another content from before the one that runs.

    What a rollback brought back has the place of the release that it was at first, so that a second rollback goes further back.
    """
    found = {each.number: each for each in releases}
    current = last_good(found.values())
    if current is None:
        return None
    place = _place(current, found)
    return last_good(each for each in found.values() if each.number < place and each.content != current.content)


def _place(release: Release, releases: Mapping[int, Release]) -> int:
    """The number under which the content of a release was deployed, through all rollbacks in between."""
    if not 0 < release.of < release.number:
        return release.number
    return _place(releases[release.of], releases) if release.of in releases else release.of


def outdated(releases: Iterable[Release], keep: int) -> list[Release]:
    """What may go when `keep` are kept: the oldest, but never the last good one, nor the one before it."""
    ordered = sorted(releases, key=lambda each: each.number, reverse=True)
    needed = {each.number for each in (last_good(ordered), previous_good(ordered)) if each is not None}
    return [each for each in ordered[keep:] if each.number not in needed]
