# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a migration by hand runs, and whether the code that runs now could go on after it.

An application says which schema it needs and which one is there: docs/application.md, Paths and Migrations.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..text.json_object import decoded
from .client import Client
from .errors import KubeError
from .kinds import WELL_KNOWN
from .pod import has_ended

DIRECTIONS = ("up", "down", "status")
HEALTH_SECONDS = 5.0
_DEPLOYMENTS, _PODS = WELL_KNOWN["apps/v1", "Deployment"], WELL_KNOWN["v1", "Pod"]


@dataclass(frozen=True)
class Wish:
    """What a person wants, as it was given. environment: what `confirm` must name to take migrations back."""

    direction: str
    steps: str = "1"
    environment: str = ""
    confirm: str = ""


@dataclass(frozen=True)
class Running:
    """What one pod of the application says: the schema that it needs, and the one that it sees.

    problem: why it does not say it.
    """

    pod: str
    needs: int | None = None
    schema: int | None = None
    problem: str = ""


def arguments(wish: Wish, confirmed: bool) -> list[str]:
    """Arguments of `./api`; raises KubeError when the order is not clear or not confirmed."""
    if wish.direction not in DIRECTIONS:
        raise KubeError(f'There is no direction "{wish.direction}": give up, down or status.')
    if wish.direction != "down":
        return ["migrate", wish.direction]
    steps = count(wish.steps)
    if not confirmed:
        raise KubeError(
            f"This takes the newest {_migrations(steps)} of {wish.environment} back, with the data that only their tables"
            f" and columns hold: if that is what you want, add -e confirm={wish.environment}."
        )
    return ["migrate", "down", str(steps)]


def count(steps: str) -> int:
    """How many migrations; raises KubeError unless it is a whole number of at least 1."""
    if not (steps.isascii() and steps.isdecimal() and 1 <= int(steps) <= 9999):
        raise KubeError(f'"{steps}" is no number of migrations: give a whole number of at least 1 (-e steps=1).')
    return int(steps)


def objection(pods: Sequence[Running], steps: int) -> str:
    """Why so many migrations may not be taken back while these pods run; empty when they may."""
    if not pods:
        return ""
    for each in pods:
        if each.needs is None or each.schema is None:
            missing = "needs" if each.needs is None else "finds"
            why = f" ({each.problem})" if each.problem else ""
            return f"Pod {each.pod} does not say which schema it {missing}{why}, so that it may well stop working."
    demanding = max(pods, key=lambda each: each.needs or 0)
    there = max(each.schema or 0 for each in pods)
    left = max(there - steps, 0)
    if left >= (demanding.needs or 0):
        return ""
    return (
        f"The running code (pod {demanding.pod}) needs schema {demanding.needs}, and {_migrations(steps)} less than"
        f" {there} leaves {left}: bring code back first that needs no more than that (playbooks/rollback.yml)."
    )


def live_image(client: Client, namespace: str, deployment: str) -> str:
    """The image of the first container of a Deployment; empty when it is not there."""
    found = client.find(_DEPLOYMENTS, namespace, deployment)
    return str(found["spec"]["template"]["spec"]["containers"][0]["image"]) if found else ""


def ask(client: Client, namespace: str, deployment: str, port: int) -> list[Running]:
    """Every pod of a Deployment that runs, whatever its version and whether ready or not, up to the first silent one.

    Asked one by one through the API server, because a Service leads only to those that are ready.
    """
    found = client.find(_DEPLOYMENTS, namespace, deployment)
    if found is None:
        return []
    labels = found["spec"]["selector"].get("matchLabels") or {}
    selector = ",".join(f"{name}={value}" for name, value in sorted(labels.items()))
    answers: list[Running] = []
    for pod in client.list(_PODS, namespace, selector):
        if not pod["metadata"].get("deletionTimestamp") and not has_ended(pod):
            answers.append(_ask(client, pod, port))
            if answers[-1].problem:
                break
    return answers


def _ask(client: Client, pod: Mapping[str, Any], port: int) -> Running:
    """A health report is one whatever its status: a pod whose database does not fit answers 503."""
    name = str(pod["metadata"]["name"])
    path = f"{_PODS.path(pod['metadata']['namespace'])}/{name}:{port}/proxy/api/v1/health"
    try:
        return reading(name, *client.ask(path, HEALTH_SECONDS))
    except KubeError:
        return Running(name, problem="no answer")


def reading(pod: str, status: int, body: bytes) -> Running:
    """What a pod, or the API server in its place, answered."""
    report = decoded(body)
    database = report.get("database")
    if not isinstance(database, dict):
        return Running(pod, problem=str(report.get("message") or f"status {status}")[:200])
    return Running(pod, _whole(database.get("needs_schema")), _whole(database.get("schema")))


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _migrations(number: int) -> str:
    return "1 migration" if number == 1 else f"{number} migrations"
