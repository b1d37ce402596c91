"""A cluster in memory that nothing stands against: every test takes one thing away."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from ansible_collections.hustlex.platform.plugins.module_utils.kube.errors import ApiError
from ansible_collections.hustlex.platform.plugins.module_utils.kube.kinds import WELL_KNOWN, Kind
from ansible_collections.hustlex.platform.plugins.module_utils.kube.requirements import Right

from ..kube.cluster_double import ClusterDouble

NOW = datetime(2026, 11, 25, 15, 0, tzinfo=UTC)


class ReadyCluster(ClusterDouble):
    """forbidden: rights that the user lacks; refused: why the API server takes no manifest; health: what the API says."""

    def __init__(self) -> None:
        super().__init__()
        self.forbidden: set[Right] = set()
        self.refused = ""
        self.health: dict[str, Any] = {}
        self.add("Namespace", "n")
        self.add("Secret", "hustlex-secrets", data={})
        self.add("ConfigMap", "hustlex-config", data={})
        self.add("CronJob", "postgres-backup", status={"lastSuccessfulTime": "2026-11-25T14:00:00Z"})
        ready = {"type": "Ready", "status": "True"}
        self.add("Node", "n1", status={"conditions": [ready], "allocatable": {"cpu": "2", "memory": "4Gi"}})

    def now(self) -> datetime:
        return NOW

    def kind(self, api_version: str, name: str) -> Kind:
        return WELL_KNOWN[api_version, name]

    def ask(self, _path: str, **_options: Any) -> tuple[int, bytes]:
        return 200, json.dumps(self.health).encode()

    def rules(self, _namespace: str) -> list[Mapping[str, Any]]:
        return []

    def may(self, verb: str, group: str, resource: str, _namespace: str) -> bool:  # type: ignore[override]
        return Right(verb, group, resource) not in self.forbidden

    def apply(self, kind: Kind, manifest: dict[str, Any], dry_run: bool = False) -> dict[str, Any]:
        if self.refused:
            raise ApiError(self.refused, 422)
        return manifest if dry_run else super().apply(kind, manifest)
