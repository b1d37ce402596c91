# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Looks at the cluster before a release: what would change, what the new code says of itself, what stands against it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..kube import capacity, evidence
from ..kube.apply import Change, apply_one, prune, resolve
from ..kube.client import Client
from ..kube.errors import ApiError, KubeError
from ..kube.job import Order, run_job
from ..kube.kinds import WELL_KNOWN
from ..kube.live import LiveSet
from ..kube.manifests import Manifest
from ..kube.requirements import RELEASE_RIGHTS, Right, check_rights, missing
from ..prometheus.client import Prometheus
from ..prometheus.errors import QueryRefusedError, UnavailableError
from ..text.json_object import decoded
from . import checks
from .checks import FAILED, OK, SKIPPED, Check
from .freeze import frozen_until
from .record import Release
from .service import database_health
from .version import pinned

PROBE = "hustlex-preflight"
# The working directory of the image holds `api`, and its version says what it needs: docs/application.md.
VERSION_COMMAND = ("./api", "version", "--json")
# An image that cannot tell what is pending starts all the same: then its migration Job finds out.
STATUS_COMMAND = ("/bin/sh", "-c", "./api version --json && { ./api migrate --wait 3 status --json || :; }")
# Of the namespace, and of what belongs to none, as nodes.
FIRING = 'ALERTS{{alertstate="firing",severity="critical",namespace=~"|{namespace}"}}'
# The kernel's words for a program of another processor, and containerd's for an image that has none for this one.
FOREIGN = ("exec format error", "no match for platform")
# What role namespace makes, and the application reads.
SECRET, CONFIG = "hustlex-secrets", "hustlex-config"


class UnfitError(KubeError):
    """The image cannot run here, whoever tries again."""


@dataclass(frozen=True)
class Code:
    """What is known of the code that is to run; None where nobody could ask it.

    pending: how many of its migrations the database lacks.
    """

    image: str
    reported: str = ""
    schema: int | None = None
    min_compatible_schema: int | None = None
    pending: int | None = None

    @classmethod
    def of_release(cls, release: Release) -> Code:
        return cls(release.image, release.reported, release.schema, release.min_compatible_schema)


@dataclass(frozen=True)
class Rules:
    """What the environment asks of a release; see the options of module preflight."""

    environment: str
    secret_keys: Sequence[str]
    config_keys: Sequence[str]
    backup_cron_job: str
    backup_max_age_hours: float
    freeze_windows: Sequence[Mapping[str, Any]]
    ignore_freeze: bool
    ignore_alerts: bool
    allow_breaking_migration: bool
    watch_seconds: int
    watch_required: bool


@dataclass
class DryRun:
    """What applying the set would do, and what the API server has against it."""

    changes: list[Change] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)


def probe(connect: Callable[[], Client], order: Order, wanted: str, say: Callable[[str], None]) -> Code:
    """Run the new image once: it exists, it starts on these nodes, and it says what it needs. UnfitError if not."""
    done = run_job(connect, order, say)
    if not done.succeeded:
        raise UnfitError(_refused(wanted, done.reason, done.evidence))
    answers = [decoded(line.encode()) for line in reversed(done.log_tail)]
    status = next((each for each in answers if "pending" in each), {})
    facts = next((each for each in answers if "version" in each and "pending" not in each), {})
    return Code(
        pinned(wanted, done.image_id),
        str(facts.get("version", "")),
        facts.get("schema"),
        facts.get("min_compatible_schema"),
        _pending(status),
    )


def dry_run(client: Client, name: str, namespace: str, desired: Sequence[Manifest]) -> DryRun:
    """Apply the set without doing it; every object is tried, whatever the others say."""
    found = DryRun()
    live = LiveSet.read(client, name, namespace, desired, whole=True)
    resolved = resolve(desired, live)
    for manifest in resolved:
        try:
            found.changes.append(apply_one(client, manifest, live, dry_run=True))
        except KubeError as error:
            found.refusals.append(str(error))
    found.changes += list(prune(client, live.leavers(resolved), live, dry_run=True))
    return found


def checklist(
    client: Client,
    namespace: str,
    desired: Sequence[Manifest],
    rules: Rules,
    code: Code,
    running: Release | None,
    prometheus: Prometheus | None,
) -> list[Check]:
    """All that is asked before a release, in the order of the guide's list."""
    now = client.now()
    pods = _optional(client, "v1", "Pod")
    nodes = _optional(client, "v1", "Node")
    deployments = [item for item in desired if item["kind"] == "Deployment"]
    misfits = capacity.misfits(desired, nodes)
    schemas = _schema(client, namespace, code, running)
    return [
        _rights(client, namespace),
        checks.secrets(_find(client, "Secret", namespace, SECRET), rules.secret_keys, rules.environment),
        checks.config(_find(client, "ConfigMap", namespace, CONFIG), rules.config_keys),
        checks.nodes(nodes),
        Check("size", FAILED, " ".join(misfits)) if misfits else Check("size", OK, "every pod fits a node"),
        checks.room(deployments, nodes, pods),
        checks.quota(deployments, client.list(WELL_KNOWN["v1", "ResourceQuota"], namespace)),
        checks.disruption(_of(client.list(WELL_KNOWN["policy/v1", "PodDisruptionBudget"], namespace), desired)),
        checks.backup(
            _cron_job(client, namespace, rules),
            now,
            rules.backup_max_age_hours,
            has_data=running is not None or schemas.database is not None,
        ),
        checks.schema(schemas, rules.allow_breaking_migration),
        checks.freeze(frozen_until(rules.freeze_windows, now), rules.ignore_freeze),
        checks.watch(rules.watch_seconds, prometheus is not None, rules.watch_required),
        _alerts(prometheus, namespace, rules.ignore_alerts, running),
    ]


def has_namespace(client: Client, namespace: str) -> bool:
    """Who may not look is told about what is missing by everything else."""
    try:
        return client.find(WELL_KNOWN["v1", "Namespace"], "", namespace) is not None
    except ApiError as error:
        if error.status == 403:
            return True
        raise


def _refused(wanted: str, reason: str, found: evidence.Evidence | None) -> str:
    lines = [line for log in (found.logs if found else {}).values() for line in log]
    if any(words in line for line in [reason, *lines] for words in FOREIGN):
        return f"The image {wanted} is for another processor architecture than the nodes: build it for theirs."
    return f"The image {wanted} does not run on this cluster: {reason}"


def _pending(status: Mapping[str, Any]) -> int | None:
    """A history that contradicts the image's is for its migration to refuse, with its own words."""
    pending = status.get("pending")
    return len(pending) if isinstance(pending, list) and not status.get("problems") else None


def _rights(client: Client, namespace: str) -> Check:
    def may(right: Right) -> bool:
        return client.may(right.verb, right.group, right.resource, namespace)

    sentences = check_rights(missing(RELEASE_RIGHTS, client.rules(namespace), may), namespace)
    if sentences:
        return Check("rights", FAILED, " ".join(sentences))
    return Check("rights", OK, "all that a release does is allowed")


def _alerts(prometheus: Prometheus | None, namespace: str, ignored: bool, running: Release | None) -> Check:
    if prometheus and not running:
        return Check("alerts", SKIPPED, "there is no good release yet, and alerts about that must not keep it away")
    query = FIRING.format(namespace=namespace)
    try:
        return checks.alerts(prometheus.labels(query, "alertname") if prometheus else None, "", ignored)
    except (QueryRefusedError, UnavailableError) as error:
        return checks.alerts(None, str(error), ignored)


def _schema(client: Client, namespace: str, code: Code, running: Release | None) -> checks.Schema:
    live = database_health(client, namespace)
    known = live.get("schema", running.database_schema if running else None)
    return checks.Schema(
        new=code.schema,
        new_min_compatible=code.min_compatible_schema,
        running=live.get("needs_schema", running.schema if running else None),
        database=known,
        database_min_compatible=live.get("min_compatible_schema"),
    )


def _cron_job(client: Client, namespace: str, rules: Rules) -> dict[str, Any] | None:
    if rules.backup_max_age_hours <= 0:
        return None
    return client.find(WELL_KNOWN["batch/v1", "CronJob"], namespace, rules.backup_cron_job)


def _find(client: Client, kind: str, namespace: str, name: str) -> dict[str, Any] | None:
    return client.find(WELL_KNOWN["v1", kind], namespace, name)


def _of(live: Sequence[Manifest], desired: Sequence[Manifest]) -> list[Manifest]:
    names = {(item["kind"], item["metadata"]["name"]) for item in desired}
    return [item for item in live if (item["kind"], item["metadata"]["name"]) in names]


def _optional(client: Client, api_version: str, kind: str) -> list[dict[str, Any]]:
    """Objects of the whole cluster, which not everybody may list."""
    try:
        return client.list(WELL_KNOWN[api_version, kind])
    except ApiError as error:
        if error.status == 403:
            return []
        raise


def lines(found: Sequence[Check], all_of_them: bool) -> list[str]:
    """The checklist for the terminal: all of it, or what is not in order."""
    shown = [each for each in found if all_of_them or each.state not in (OK, SKIPPED)]
    return [f"  {each.state:<8} {each.item:<11} {each.message}" for each in shown]
