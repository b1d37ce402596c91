# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Controller's side of module status."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import urllib3
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ..module_utils.kube.client import Client
from ..module_utils.kube.errors import KubeError, MissingKubeconfigError
from ..module_utils.kube.kinds import WELL_KNOWN
from ..module_utils.kube.manifests import SET_LABEL
from ..module_utils.kube.overview import DETAILS, HEADINGS, Component, Surroundings, age, components, table
from ..module_utils.kube.rollout import WORKLOAD_KINDS
from ..module_utils.release.records import read_releases
from ..module_utils.release.service import service_health
from ..plugin_utils.connect import connect
from ..plugin_utils.options import COMMON_ARGUMENTS, validated

ARGUMENTS: dict[str, Any] = {
    **COMMON_ARGUMENTS,
    "sets": {"type": "list", "elements": "str", "default": []},
    "next": {"type": "list", "elements": "str", "default": []},
    "health_url": {"type": "str", "default": ""},
    "details": {"type": "bool", "default": False},
}
HEALTH_SECONDS = 5.0

display = Display()


class ActionModule(ActionBase):
    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        arguments = validated(self, ARGUMENTS)
        try:
            rows = self._components(arguments)
        except KubeError as error:
            result.update(failed=True, msg=str(error))
            return result
        lines = table(rows, DETAILS if arguments["details"] else HEADINGS)
        result.update(changed=False, components=[asdict(row) for row in rows], table=lines)
        if arguments["health_url"] and not self._task.check_mode:
            result["health"] = _health(arguments["health_url"])
            lines = [*lines, "", f"{arguments['health_url']}: {_health_words(result['health'])}"]
        if rows and arguments["next"]:
            lines = [*lines, "", "Next:", *(f"  {command}" for command in arguments["next"])]
        if lines:
            display.display("\n".join(["", *lines, ""]))
        return result

    def _components(self, arguments: dict[str, Any]) -> list[Component]:
        namespace, sets = arguments["namespace"], arguments["sets"]
        selector = f"{SET_LABEL} in ({','.join(sets)})" if sets else SET_LABEL
        try:
            client = connect(arguments)
        except MissingKubeconfigError:
            if not self._task.check_mode:
                raise
            return []
        workloads = [item for kind in WORKLOAD_KINDS for item in client.list(kind, namespace, selector)]
        workloads.sort(key=lambda item: _place(sets, item["metadata"]["labels"][SET_LABEL]))
        now = datetime.now(UTC)
        found = components(workloads, _surroundings(client, namespace, arguments["details"]), now)
        if arguments["details"]:
            found += [*_last_release(client, namespace, now), _inner_health(client, namespace)]
        return found


def _surroundings(client: Client, namespace: str, details: bool) -> Surroundings:
    services = client.list(WELL_KNOWN["v1", "Service"], namespace)
    if not details:
        return Surroundings(services)
    kinds = ("autoscaling/v2", "HorizontalPodAutoscaler"), ("v1", "Pod"), ("apps/v1", "ReplicaSet")
    return Surroundings(services, *(client.list(WELL_KNOWN[kind], namespace) for kind in kinds))


def _last_release(client: Client, namespace: str, now: datetime) -> list[Component]:
    return [
        Component(
            component=f"release {newest.number}",
            kind=newest.kind,
            set="",
            version=newest.version,
            ready=newest.result,
            address=f"by {newest.who}",
            age=age(newest.finished, now),
        )
        for newest in read_releases(client, namespace)[:1]
    ]


def _inner_health(client: Client, namespace: str) -> Component:
    status, answer = service_health(client, namespace, "hustlex-api:http", "/api/v1/health")
    parts = {name: answer[name] for name in ("database", "redis") if isinstance(answer.get(name), dict)}
    return Component(
        component="health",
        kind="HTTP",
        set="",
        version=str(answer.get("version") or ""),
        ready=str(status or "no answer"),
        address=", ".join(f"{name} {part.get('status', '?')}" for name, part in parts.items()),
        age="",
    )


def _place(sets: list[str], name: str) -> int:
    return sets.index(name) if name in sets else 0


def _health(url: str) -> dict[str, Any]:
    try:
        response = urllib3.request("GET", url, timeout=HEALTH_SECONDS, retries=False)
    except (urllib3.exceptions.HTTPError, ValueError) as error:
        return {"status": 0, "answer": str(error)}
    text = response.data.decode("utf-8", errors="replace")
    try:
        return {"status": response.status, "answer": json.loads(text)}
    except ValueError:
        return {"status": response.status, "answer": text}


def _health_words(health: dict[str, Any]) -> str:
    answer = health["answer"] if isinstance(health["answer"], str) else json.dumps(health["answer"])
    return f"{health['status']} {answer}" if health["status"] else f"no answer: {answer}"
