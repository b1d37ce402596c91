# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""ConfigMap postgres-recovery: how far a recovery is. What a run that was killed leaves, and the next one reads."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from .client import Client
from .errors import KubeError
from .exchange import Exchange
from .kinds import WELL_KNOWN

NAME = "postgres-recovery"
CONFIG_MAPS = WELL_KNOWN["v1", "ConfigMap"]

RESTORING, RESTORED = "restoring", "restored"
SWAPPING, SWAPPED = "swapping", "swapped"
REVERTING, REVERTED = "reverting", "reverted"
# An exchange of volumes has begun and must be finished before anything else.
MOVING = frozenset({SWAPPING, REVERTING})


@dataclass(frozen=True)
class RecoveryRecord:
    """One recovery.

    state: one of the words above; id: when it began, `20261124t030000z`; plan: the RecoveryPlan as JSON data; report: what the
    restore job found; kept: claim of the volume that the last exchange took out; exchange: the one that runs or ran last.
    """

    state: str
    id: str
    target: str
    digest: str
    plan: dict[str, Any] = field(default_factory=dict)
    report: dict[str, Any] = field(default_factory=dict)
    kept: str = ""
    exchange: Exchange | None = None

    @classmethod
    def read(cls, client: Client, namespace: str) -> RecoveryRecord | None:
        found = client.find(CONFIG_MAPS, namespace, NAME)
        if found is None:
            return None
        data = found.get("data") or {}
        try:
            return cls(
                state=data["state"],
                id=data["id"],
                target=data["target"],
                digest=data["digest"],
                plan=json.loads(data["plan"]),
                report=json.loads(data["report"]),
                kept=data["kept"],
                exchange=Exchange.from_dict(json.loads(data["exchange"])) if data["exchange"] else None,
            )
        except (KeyError, TypeError, ValueError) as error:
            raise KubeError(f"ConfigMap {NAME} in namespace {namespace} cannot be read: somebody edited it.") from error

    def write_held(self, client: Client, namespace: str) -> None:
        """Write, unless another run has taken the exchange over since."""
        found = RecoveryRecord.read(client, namespace)
        theirs = found.exchange.holder if found and found.exchange else ""
        if self.exchange is None or theirs != self.exchange.holder:
            raise KubeError(f"Another run has taken the recovery to {self.target} over: it goes on there.")
        self.write(client, namespace)

    def write(self, client: Client, namespace: str) -> None:
        data = {
            "state": self.state,
            "step": self.exchange.step if self.exchange and self.state in MOVING else "",
            "id": self.id,
            "target": self.target,
            "digest": self.digest,
            "kept": self.kept,
            "plan": _text(self.plan),
            "report": _text(self.report),
            "exchange": _text(self.exchange.to_dict()) if self.exchange else "",
        }
        manifest = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": NAME, "namespace": namespace, "labels": {"app.kubernetes.io/part-of": "hustlex"}},
            "data": data,
        }
        client.apply(CONFIG_MAPS, manifest)


def _text(value: dict[str, Any]) -> str:
    return json.dumps(value, indent=1, sort_keys=True)
