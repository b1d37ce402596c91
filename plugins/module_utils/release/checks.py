# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What must be true before a release, one function for each line of the checklist (guide 3.5). Pure over plain objects."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..kube.capacity import Amount, allocatable, pod_request, request_of_pods
from ..kube.job_manifest import BY_HAND_ANNOTATION
from ..kube.quota import Addition, shortages
from ..text import secret_rules

Object = Mapping[str, Any]
OK, WARNING, FAILED, SKIPPED = "ok", "warning", "failed", "skipped"


@dataclass(frozen=True)
class Check:
    """One line of the checklist; `message` says of what is not ok how to mend it.

    unfit: it speaks against the version itself, which is a failed release; nothing around it can be mended.
    """

    item: str
    state: str
    message: str
    unfit: bool = False


@dataclass(frozen=True)
class Schema:
    """Schemas by their number: the new code's and what it is compatible with, the running code's, the database's."""

    new: int | None
    new_min_compatible: int | None
    running: int | None
    database: int | None
    database_min_compatible: int | None


def absent(namespace: str, only_looks: bool) -> Check:
    """All there is to say without a namespace: before the first deploy of everything that is as it should be."""
    words = f"Namespace {namespace} is not there"
    if only_looks:
        return Check(
            "namespace", WARNING, f"{words}: the first deploy makes it, and nothing else can be looked at before."
        )
    return Check("namespace", FAILED, f"{words}: deploy role namespace first (--tags namespace).")


def secrets(secret: Object | None, keys: Iterable[str], environment: str) -> Check:
    if secret is None:
        return Check(
            "secrets", FAILED, "Secret hustlex-secrets is not there: deploy role namespace first (--tags namespace)."
        )
    values = {
        key: base64.b64decode(value).decode(errors="replace") for key, value in (secret.get("data") or {}).items()
    }
    try:
        secret_rules.check(values, keys, environment)
    except secret_rules.SecretsError as error:
        return Check("secrets", FAILED, str(error))
    return Check("secrets", OK, "all are there and none is a placeholder")


def config(config_map: Object | None, keys: Iterable[str]) -> Check:
    if config_map is None:
        return Check(
            "config", FAILED, "ConfigMap hustlex-config is not there: deploy role namespace first (--tags namespace)."
        )
    missing = [key for key in keys if not (config_map.get("data") or {}).get(key)]
    if missing:
        return Check("config", FAILED, f"ConfigMap hustlex-config has no {', '.join(missing)}: set namespace_config.")
    return Check("config", OK, "all settings are there")


def nodes(found: Sequence[Object]) -> Check:
    if not found:
        return Check("nodes", SKIPPED, "nodes may not be listed")
    bad = [node["metadata"]["name"] for node in found if not is_ready(node)]
    if len(bad) == len(found):
        return Check("nodes", FAILED, "No node is ready: see `kubectl get nodes`.")
    if bad:
        return Check(
            "nodes", WARNING, f"{', '.join(bad)} of {len(found)} nodes not ready: see `kubectl describe node`."
        )
    return Check("nodes", OK, f"{len(found)} ready")


def room(deployments: Sequence[Object], found: Sequence[Object], pods: Sequence[Object]) -> Check:
    """Whether the one pod more that a rolling update starts finds room, now, beside all that runs."""
    ready = [node for node in found if is_ready(node) and not (node.get("spec") or {}).get("unschedulable")]
    if not ready:
        return Check("room", SKIPPED, "nodes may not be listed")
    free = [_free(node, pods) for node in ready]
    short = []
    for each in deployments:
        wanted = pod_request(each["spec"]["template"]["spec"])
        if not any(offer.holds(wanted) for offer in free):
            short.append(each["metadata"]["name"])
    if short:
        return Check(
            "room",
            WARNING,
            f"No node has room for one more pod of {', '.join(short)} now: unless an autoscaler adds one, the update waits.",
        )
    return Check("room", OK, "one more pod of each fits")


def quota(deployments: Sequence[Object], quotas: Sequence[Object]) -> Check:
    """Whether the namespace's quotas allow the one pod more that a rolling update starts."""
    short = shortages(quotas, [Addition(1, each["spec"]["template"]["spec"]) for each in deployments])
    if short:
        return Check("quota", FAILED, f"{' '.join(short)} Raise namespace_resource_quota.")
    return Check("quota", OK, "allows one more pod of each" if quotas else "none is set")


def disruption(budgets: Sequence[Object]) -> Check:
    tight = [
        each["metadata"]["name"]
        for each in budgets
        if (each.get("status") or {}).get("expectedPods", 0) and not each["status"].get("disruptionsAllowed", 0)
    ]
    if tight:
        return Check(
            "disruption", WARNING, f"The budget of {', '.join(tight)} allows no disruption now: pods are not healthy."
        )
    return Check("disruption", OK, "the budgets allow one")


def backup(cron_job: Object | None, now: datetime, max_age_hours: float, has_data: bool) -> Check:
    """has_data: whether there is a database with something to lose."""
    if max_age_hours <= 0:
        return Check("backup", SKIPPED, "app_backup_max_age_hours is 0")
    if not has_data:
        return Check("backup", SKIPPED, "nothing was released here before")
    name = cron_job["metadata"]["name"] if cron_job else ""
    last = _last_success(cron_job or {})
    mend = "take one: ansible-playbook playbooks/backup.yml -e what=dump"
    if last is None:
        what = f"CronJob {name} has made no dump yet" if cron_job else "There is no CronJob of dumps"
        return Check("backup", FAILED, f"{what}: {mend} (app_backup_max_age_hours: 0 asks for none).")
    hours = (now - last).total_seconds() / 3600
    if hours > max_age_hours:
        return Check("backup", FAILED, f"The last dump is {hours:.1f} h old, more than {max_age_hours:g} h: {mend}.")
    return Check("backup", OK, f"{hours:.1f} h old")


def _last_success(cron_job: Object) -> datetime | None:
    """Of the Jobs that Kubernetes started, and of those that a person did."""
    scheduled = (cron_job.get("status") or {}).get("lastSuccessfulTime")
    by_hand = ((cron_job.get("metadata") or {}).get("annotations") or {}).get(BY_HAND_ANNOTATION)
    return max((datetime.fromisoformat(each) for each in (scheduled, by_hand) if each), default=None)


def schema(numbers: Schema, allow_breaking: bool) -> Check:
    """Whether new code, running code and the database can live together while one replaces the other."""
    if numbers.new is None:
        return Check("schema", SKIPPED, "the image does not say which schema it needs")
    head = f"the code needs schema {numbers.new}, the database has {numbers.database if numbers.database is not None else 'none yet'}"
    if numbers.database_min_compatible is not None and numbers.new < numbers.database_min_compatible:
        return Check(
            "schema",
            FAILED,
            f"This version (schema {numbers.new}) cannot run on the database, whose schema {numbers.database} wants code of"
            f" schema {numbers.database_min_compatible} at least: deploy a newer version, or take migrations back first"
            " (playbooks/migrate.yml -e direction=down).",
            unfit=True,
        )
    brings_some = numbers.database is None or numbers.database < numbers.new
    breaks = numbers.running is not None and (numbers.new_min_compatible or 0) > numbers.running
    if brings_some and breaks and not allow_breaking:
        return Check(
            "schema",
            FAILED,
            f"The migrations of this version want code of schema {numbers.new_min_compatible} at least, and what runs has"
            f" {numbers.running}: release a version in between first, or accept an outage without a way back"
            " (-e app_allow_breaking_migration=true).",
            unfit=True,
        )
    return Check("schema", OK, head)


def freeze(end: tuple[datetime, str] | None, ignored: bool) -> Check:
    if end is None:
        return Check("freeze", OK, "no freeze window is open")
    words = f"until {end[0].isoformat()}{f' ({end[1]})' if end[1] else ''}"
    if ignored:
        return Check("freeze", WARNING, f"A freeze window is open {words}; app_ignore_freeze is set.")
    return Check(
        "freeze", FAILED, f"Nothing is released {words}: wait, or -e app_ignore_freeze=true if it must be now."
    )


def watch(seconds: int, has_prometheus: bool, required: bool) -> Check:
    if seconds <= 0:
        return Check("watch", SKIPPED, "app_watch_seconds is 0")
    if has_prometheus:
        return Check("watch", OK, f"{seconds} s after the release")
    words = f"The watch window of {seconds} s has no Prometheus: set app_prometheus_url or app_prometheus_service"
    if required:
        return Check("watch", FAILED, f"{words}, or app_watch_seconds to 0.")
    return Check("watch", WARNING, f"{words}; without one it has no verdict.")


def alerts(firing: Sequence[str] | None, problem: str, ignored: bool) -> Check:
    """firing: names of critical alerts, None when nobody could be asked."""
    if firing is None:
        return Check("alerts", WARNING if problem else SKIPPED, problem or "no Prometheus is configured")
    if firing:
        names = f"Critical alerts are firing: {', '.join(sorted(set(firing)))}"
        if ignored:
            return Check("alerts", WARNING, f"{names}; app_ignore_alerts is set.")
        return Check(
            "alerts", FAILED, f"{names}. See to them first, or -e app_ignore_alerts=true if this release does."
        )
    return Check("alerts", OK, "no critical alert is firing")


def is_ready(node: Object) -> bool:
    conditions = (node.get("status") or {}).get("conditions") or []
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def _free(node: Object, pods: Sequence[Object]) -> Amount:
    return allocatable(node) - request_of_pods(
        pod for pod in pods if (pod.get("spec") or {}).get("nodeName") == node["metadata"]["name"]
    )
