# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The Job that is to run: taken from a manifest or from a CronJob, changed, named. Pure functions."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .errors import ManifestError
from .manifests import MANAGED_BY, PART_OF, SET_LABEL, Manifest

CONTENT_ANNOTATION = "hustlex.app/job-content"
# On a CronJob: when a Job of it that a person started succeeded. Kubernetes counts its own ones alone.
BY_HAND_ANNOTATION = "hustlex.app/last-success-by-hand"
# What failed is kept as evidence for as long as a person may want to look at it.
KEPT_SECONDS = 3 * 24 * 3600


@dataclass(frozen=True)
class Overrides:
    """What differs from the template; empty means as it is there.

    container: the one that is meant, and whose log is read; the first one by default.
    deadline_seconds: when Kubernetes itself ends the Job, unless the template says so.
    """

    container: str = ""
    command: Sequence[str] = ()
    args: Sequence[str] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    deadline_seconds: int = 0


def from_cron_job(cron_job: Mapping[str, Any]) -> Manifest:
    """A Job as the CronJob would start it now."""
    template = copy.deepcopy(cron_job["spec"]["jobTemplate"])
    return {"metadata": template.get("metadata") or {}, "spec": template["spec"]}


def job(template: Mapping[str, Any], name: str, namespace: str, overrides: Overrides) -> Manifest:
    """The Job to create. It runs once: a failure is told at once, and a person decides about the next attempt."""
    try:
        spec = json.loads(json.dumps(template["spec"]))
        pod = spec["template"]["spec"]
        container = _container(pod, overrides.container)
    except (KeyError, IndexError, TypeError) as error:
        raise ManifestError(f"The manifest of Job {name} has no spec.template.spec.containers.") from error
    if overrides.command:
        container["command"] = list(overrides.command)
    if overrides.args:
        container["args"] = list(overrides.args)
    if overrides.env:
        kept = [each for each in container.get("env") or [] if each["name"] not in overrides.env]
        container["env"] = [*kept, *({"name": key, "value": value} for key, value in overrides.env.items())]
    pod["restartPolicy"] = "Never"
    spec["backoffLimit"] = 0
    spec["ttlSecondsAfterFinished"] = KEPT_SECONDS
    if overrides.deadline_seconds:
        spec.setdefault("activeDeadlineSeconds", overrides.deadline_seconds)
    given = template.get("metadata") or {}
    # A Job of a set would be pruned by the next `apply` of that set.
    labels = {key: value for key, value in (given.get("labels") or {}).items() if key != SET_LABEL}
    labels |= {"app.kubernetes.io/part-of": PART_OF, "app.kubernetes.io/managed-by": MANAGED_BY}
    annotations = {**(given.get("annotations") or {}), CONTENT_ANNOTATION: _digest(spec)}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "namespace": namespace, "labels": labels, "annotations": annotations},
        "spec": spec,
    }


def container_of(manifest: Mapping[str, Any], name: str) -> str:
    """Name of the container whose log has the result."""
    return str(_container(manifest["spec"]["template"]["spec"], name)["name"])


def same_job(live: Mapping[str, Any], manifest: Mapping[str, Any]) -> bool:
    """Whether a Job that is there was started to do the same."""
    written = (live["metadata"].get("annotations") or {}).get(CONTENT_ANNOTATION)
    return bool(written == manifest["metadata"]["annotations"][CONTENT_ANNOTATION])


def _container(pod: dict[str, Any], name: str) -> dict[str, Any]:
    containers: list[dict[str, Any]] = pod["containers"]
    if not name:
        return containers[0]
    found = next((each for each in containers if each["name"] == name), None)
    if found is None:
        known = ", ".join(each["name"] for each in containers)
        raise ManifestError(f'The Job has no container "{name}"; it has {known}.')
    return found


def _digest(spec: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(spec, sort_keys=True).encode()).hexdigest()[:16]
