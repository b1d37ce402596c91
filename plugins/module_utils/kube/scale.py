# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How many pods a Deployment shall have, and which object says so. Pure functions over plain objects.

Where a HorizontalPodAutoscaler owns the number of pods, its lower bound moves; else the Deployment's own number does.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .errors import KubeError
from .manifests import describe
from .quota import Addition, shortages

Object = Mapping[str, Any]

_WHOLE_NUMBER = re.compile(r"-?[0-9]{1,9}")


@dataclass(frozen=True)
class Wish:
    """What a person wants of one Deployment.

    replicas: as it was given. minimum: the inventory's number, that of its variable `variable`.
    option: how the number is given on the command line.
    """

    name: str
    replicas: object
    minimum: int = 1
    variable: str = ""
    maximum_variable: str = ""
    option: str = ""

    @property
    def is_given(self) -> bool:
        return self.replicas not in (None, "")


@dataclass(frozen=True)
class Terms:
    """environment: what `confirm` must name to go below the inventory's number; file: where that number is."""

    environment: str = ""
    confirm: str = ""
    file: str = ""

    @property
    def confirmed(self) -> bool:
        return bool(self.environment) and self.confirm == self.environment


@dataclass(frozen=True)
class Cluster:
    """What is there of a namespace."""

    namespace: str
    deployments: Mapping[str, Object]
    autoscalers: Iterable[Object] = ()
    quotas: Iterable[Object] = ()

    def autoscaler_of(self, name: str) -> Object | None:
        for each in self.autoscalers:
            target = each["spec"]["scaleTargetRef"]
            if (target["kind"], target["name"]) == ("Deployment", name):
                return each
        return None


@dataclass(frozen=True)
class Step:
    """One number to write: `spec_field` of `spec` of the object."""

    wish: Wish
    target: Object = field(repr=False)
    spec_field: str
    before: int
    after: int

    @property
    def is_autoscaled(self) -> bool:
        return self.spec_field == "minReplicas"

    @property
    def change(self) -> dict[str, Any]:
        return {"spec": {self.spec_field: self.after}}

    def words(self) -> str:
        """`hustlex-api: at least 5 pods (minReplicas of HorizontalPodAutoscaler hustlex-api-hpa, before: 3)`"""
        number = f"{'at least ' if self.is_autoscaled else ''}{self.after} pod{'' if self.after == 1 else 's'}"
        before = "as before" if self.after == self.before else f"before: {self.before}"
        return f"{self.wish.name}: {number} ({self.spec_field} of {describe(dict(self.target))}, {before})"

    def note(self, terms: Terms) -> str:
        """What the next deploy will do about it; nothing when it is the inventory's number."""
        if not self.wish.variable or self.after == self.wish.minimum:
            return ""
        return (
            f"The next deploy brings {self.wish.name} back to {self.wish.minimum}:"
            f" to keep {self.after}, put {self.wish.variable}: {self.after} into {terms.file or 'the inventory'}."
        )


def plan(wishes: Sequence[Wish], cluster: Cluster, terms: Terms) -> list[Step]:
    """What to write; raises KubeError with everything that speaks against it."""
    given = [wish for wish in wishes if wish.is_given]
    if not given:
        examples = " or ".join(f"-e {wish.option}=N" for wish in wishes if wish.option)
        raise KubeError(f"Nothing to scale: no number of pods was given{f' ({examples})' if examples else ''}.")
    steps, refusals = [], []
    for wish in given:
        try:
            steps += _steps(wish, cluster, terms)
        except KubeError as refusal:
            refusals.append(str(refusal))
    refusals += shortages(cluster.quotas, [_addition(wish, cluster) for wish in given]) if not refusals else []
    if refusals:
        raise KubeError(" ".join(refusals))
    return steps


def _steps(wish: Wish, cluster: Cluster, terms: Terms) -> list[Step]:
    deployment, wanted = cluster.deployments.get(wish.name), _count(wish)
    if deployment is None:
        raise KubeError(
            f"Deployment {wish.name} is not in namespace {cluster.namespace}: deploy it first (playbooks/deploy.yml), or"
            f" look for its name with `kubectl get deployments -n {cluster.namespace}`."
        )
    _refuse_too_few(wish, wanted, terms)
    present = _number(deployment, "replicas")
    autoscaler = cluster.autoscaler_of(wish.name)
    if autoscaler is None:
        return [Step(wish, deployment, "replicas", present, wanted)]
    most = _number(autoscaler, "maxReplicas")
    if wanted > most:
        variable = f"raise {wish.maximum_variable} in {terms.file}" if wish.maximum_variable else "raise it"
        raise KubeError(
            f"{wish.name} cannot have {wanted} pods: {describe(dict(autoscaler))} allows {most} at most (maxReplicas);"
            f" {variable} and deploy."
        )
    steps = [Step(wish, autoscaler, "minReplicas", _number(autoscaler, "minReplicas"), wanted)]
    if present == 0:
        # An autoscaler leaves a Deployment of no pods alone.
        steps.append(Step(wish, deployment, "replicas", 0, wanted))
    return steps


def _count(wish: Wish) -> int:
    text = str(wish.replicas).strip()
    if isinstance(wish.replicas, bool) or not _WHOLE_NUMBER.fullmatch(text):
        raise KubeError(f'{wish.name} cannot have "{text}" pods: give a whole number.')
    return int(text)


def _refuse_too_few(wish: Wish, wanted: int, terms: Terms) -> None:
    if wanted < 1:
        raise KubeError(f"{wish.name} cannot have {wanted} pods: it must go on running, so that the fewest is 1.")
    if wanted < wish.minimum and not terms.confirmed:
        source = f" ({wish.variable})" if wish.variable else ""
        raise KubeError(
            f"{wanted} is below the {wish.minimum} pods that {terms.environment or 'the inventory'} keeps of {wish.name}"
            f"{source}: if that is what you want, add -e confirm={terms.environment}."
        )


def _addition(wish: Wish, cluster: Cluster) -> Addition:
    deployment = cluster.deployments[wish.name]
    there = int((deployment.get("status") or {}).get("replicas") or 0)
    return Addition(_count(wish) - there, deployment["spec"]["template"]["spec"])


def _number(item: Object, name: str) -> int:
    value = item["spec"].get(name)
    return 1 if value is None else int(value)
