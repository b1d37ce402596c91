# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Data that lives on the cluster alone: generated passwords, recorded facts, and hashes of what pods read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Protocol

from .errors import ManifestError
from .manifests import Manifest, describe

KEEP_DATA = "hustlex.app/keep-data"
RESTART_ON = "hustlex.app/restart-on"
CHECKSUM = "hustlex.app/config-checksum"

_READ_KINDS = {"configmap": "ConfigMap", "secret": "Secret"}


class Lookup(Protocol):
    """Data of an object as it will be after this run, None when there is none."""

    def __call__(self, kind: str, name: str, /) -> Mapping[str, str] | None: ...


def keeps_data(manifest: Mapping[str, Any]) -> bool:
    annotations = manifest["metadata"].get("annotations") or {}
    return manifest["kind"] in ("ConfigMap", "Secret") and annotations.get(KEEP_DATA) == "true"


def with_kept_data(desired: Manifest, live: Mapping[str, Any] | None) -> Manifest:
    """The manifest with every value that is live kept; only keys that are missing there are new."""
    if live is None or not keeps_data(desired):
        return desired
    return {**desired, "data": {**(desired.get("data") or {}), **(live.get("data") or {})}}


def with_checksum(desired: Manifest, lookup: Lookup) -> Manifest:
    """The workload with a hash of what `restart-on` names beside that annotation in its pod template."""
    template = _pod_template(desired)
    annotations = ((template or {}).get("metadata") or {}).get("annotations") or {}
    if template is None or RESTART_ON not in annotations:
        return desired
    read = [[reference, _read(desired, reference, lookup)] for reference in annotations[RESTART_ON].split()]
    if any(data is not None for _reference, data in read):
        digest = hashlib.sha256(json.dumps(read, sort_keys=True).encode()).hexdigest()[:16]
        template["metadata"]["annotations"] = {**annotations, CHECKSUM: digest}
    return desired


def _read(desired: Manifest, reference: str, lookup: Lookup) -> Any:
    kind, _slash, rest = reference.partition("/")
    name, _slash, key = rest.partition("/")
    if kind.lower() not in _READ_KINDS or not name:
        raise ManifestError(
            f'{describe(desired)} has "{reference}" in {RESTART_ON}: write configmap/<name>, secret/<name>,'
            " or either of them followed by /<key>."
        )
    data = lookup(_READ_KINDS[kind.lower()], name)
    return data.get(key) if key and data is not None else data


def _pod_template(manifest: Manifest) -> dict[str, Any] | None:
    spec = manifest.get("spec") or {}
    if manifest["kind"] == "CronJob":
        spec = (spec.get("jobTemplate") or {}).get("spec") or {}
    template = spec.get("template")
    return template if isinstance(template, dict) else None
