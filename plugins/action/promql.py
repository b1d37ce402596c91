# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Controller's side of module promql."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ..module_utils.kube.connection import Connection
from ..module_utils.kube.errors import KubeError
from ..module_utils.kube.lease import keeper_on
from ..module_utils.prometheus.check import Check
from ..module_utils.prometheus.client import Prometheus
from ..module_utils.prometheus.errors import QueryRefusedError, SettingsError
from ..module_utils.prometheus.gate import Gate, Outcome, Verdict
from ..module_utils.prometheus.watch import Plan, Watch, utc
from ..plugin_utils.connect import connect
from ..plugin_utils.options import COMMON_ARGUMENTS, validated
from ..plugin_utils.prometheus import Whereabouts

QUERY: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "query": {"type": "str", "required": True},
    "unit": {"type": "str", "default": ""},
    "max": {"type": "float"},
    "max_increase": {"type": "float"},
    "min_before": {"type": "float", "default": 0.0},
    "query_before": {"type": "str", "default": ""},
    "needs_requests": {"type": "bool", "default": True},
}
ARGUMENTS: dict[str, Any] = {
    **COMMON_ARGUMENTS,
    "namespace": {"type": "str", "default": ""},
    "url": {"type": "str", "default": ""},
    "service": {"type": "str", "default": ""},
    "bearer_token_file": {"type": "path", "default": ""},
    "ca_file": {"type": "path", "default": ""},
    "queries": {"type": "list", "elements": "dict", "required": True, "options": QUERY},
    "since": {"type": "str", "default": ""},
    "requests_query": {"type": "str", "default": ""},
    "minimum_requests": {"type": "float", "default": 0.0},
    "seconds": {"type": "float", "default": 0.0},
    "interval": {"type": "float", "default": 10.0},
    "fail_on_inconclusive": {"type": "bool", "default": False},
    "lease": {"type": "dict"},
}

display = Display()


class ActionModule(ActionBase):
    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        arguments = validated(self, ARGUMENTS)
        try:
            result.update(self._look_once(arguments) if self._task.check_mode else _watch(arguments))
        except (KubeError, QueryRefusedError, SettingsError) as error:
            result.update(failed=True, msg=str(error))
        return result

    def _look_once(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """One look that never fails."""
        plan = replace(_plan(arguments), seconds=0)
        watch = Watch(_prometheus(arguments), plan, _say)
        try:
            return _result(watch, watch.run())
        except QueryRefusedError as error:
            return _result(watch, Verdict(Outcome.INCONCLUSIVE, f"No verdict: {error}"))


def _watch(arguments: dict[str, Any]) -> dict[str, Any]:
    watch = Watch(_prometheus(arguments), _plan(arguments), _say, _renewal(arguments))
    verdict = watch.run()
    result = _result(watch, verdict)
    if verdict.outcome is Outcome.INCONCLUSIVE and not arguments["fail_on_inconclusive"]:
        return result | {"warnings": [verdict.reason]}
    return result | {"failed": verdict.outcome is not Outcome.PASSED}


def _say(line: str) -> None:
    display.display(f"  {line}")


def _renewal(arguments: dict[str, Any]) -> Callable[[], None]:
    """Renews the lease that this run holds."""
    lease, namespace = arguments["lease"], arguments["namespace"]
    if not lease:
        return lambda: None
    if not namespace:
        raise SettingsError("Give the namespace of the lease.")
    return keeper_on(Connection(partial(connect, arguments)), namespace, lease)


def _prometheus(arguments: dict[str, Any]) -> Prometheus:
    whereabouts = Whereabouts(*(arguments[name] for name in ("url", "service", "bearer_token_file", "ca_file")))
    return whereabouts.prometheus(partial(connect, arguments), arguments["namespace"])


def _plan(arguments: dict[str, Any]) -> Plan:
    return Plan(
        checks=[_check(query) for query in arguments["queries"]],
        seconds=arguments["seconds"],
        interval=arguments["interval"],
        since=utc(arguments["since"]),
        requests_query=arguments["requests_query"],
        minimum_requests=arguments["minimum_requests"],
    )


def _check(query: Mapping[str, Any]) -> Check:
    return Check(
        name=query["name"],
        query=query["query"],
        unit=query["unit"],
        maximum=query["max"],
        max_increase=query["max_increase"],
        min_before=query["min_before"],
        query_before=query["query_before"],
        needs_requests=query["needs_requests"],
    )


def _result(watch: Watch, verdict: Verdict) -> dict[str, Any]:
    gate = watch.gate
    return {
        "changed": False,
        "outcome": verdict.outcome.value,
        "reason": verdict.reason,
        "msg": verdict.reason,
        "values": [_value(gate, check) for check in gate.checks],
        "requests": _finite(gate.looks[-1].requests.number if gate.looks else None),
        "looks": len(gate.looks),
        "seconds": round(watch.seconds, 1),
    }


def _value(gate: Gate, check: Check) -> dict[str, Any]:
    return {
        "name": check.name,
        "unit": check.unit,
        "limit": gate.limit(check),
        "before": _finite(gate.before.get(check.name)),
        "last": _finite(gate.looks[-1].of(check).number if gate.looks else None),
        "worst": _finite(gate.worst(check)),
    }


def _finite(number: float | None) -> float | None:
    """JSON has no infinity."""
    return number if number is not None and math.isfinite(number) else None
