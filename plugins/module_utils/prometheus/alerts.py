# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What fires now, for people. Pure functions over what Prometheus and Alertmanager say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from ..kube.overview import age
from .silences import Silence

HEADINGS = ("SEVERITY", "ALERT", "SINCE", "WHAT", "COMMAND")
SILENCES = ("SILENCE", "ALERTS", "UNTIL", "REASON", "BY")
# Always fires, so that nothing firing means something.
WATCHDOG = "Watchdog"
_SEVERITIES = ("critical", "warning", "info")
# What the other columns say, or nobody looks for.
_LEFT_OUT = frozenset({"alertname", "severity", "component", "namespace", "job", "environment", "deploy_noise"})


@dataclass(frozen=True)
class Alert:
    """One alert that fires. state: active, silenced or inhibited; empty when Alertmanager did not say."""

    severity: str
    alert: str
    since: str
    what: str
    command: str
    state: str
    labels: Mapping[str, str] = field(repr=False)

    def row(self, now: datetime) -> tuple[str, ...]:
        severity = f"{self.severity} ({self.state})" if self.state in ("silenced", "inhibited") else self.severity
        return severity, self.alert, age(self.since, now), self.what, self.command


def firing(alerts: Iterable[Mapping[str, Any]], known: Iterable[Mapping[str, Any]]) -> list[Alert]:
    """Alerts of Prometheus that fire, the worst first; known: what Alertmanager knows of them."""
    told = list(known)
    found = [_alert(each, told) for each in alerts if each.get("state") == "firing"]
    return sorted(found, key=lambda each: (_rank(each.severity), each.alert, each.what))


def shown(alerts: Iterable[Alert]) -> list[Alert]:
    """Without those of severity none, which are about the alerts themselves."""
    return [each for each in alerts if each.severity != "none"]


def notes(alerts: Sequence[Alert], all_alerts: Iterable[Mapping[str, Any]]) -> list[str]:
    """What else a person should know."""
    found = []
    if all(each.alert != WATCHDOG for each in alerts):
        found.append(
            f"{WATCHDOG} does not fire, as it always must: Prometheus has just started, or evaluates no rules"
            " (kubectl logs prometheus-0)."
        )
    pending = sorted({str(_labels(each).get("alertname")) for each in all_alerts if each.get("state") == "pending"})
    if pending:
        found.append(f"Not firing yet, but about to if it lasts: {', '.join(pending)}.")
    return found


def table(alerts: Iterable[Alert], now: datetime) -> list[str]:
    return _aligned([HEADINGS, *(each.row(now) for each in alerts)])


def silence_table(silences: Iterable[Silence]) -> list[str]:
    rows = [(each.identity, each.words(), _clock(each.ends), each.reason, each.who) for each in silences]
    return _aligned([SILENCES, *rows])


def _alert(alert: Mapping[str, Any], told: Iterable[Mapping[str, Any]]) -> Alert:
    labels, annotations = _labels(alert), alert.get("annotations") or {}
    return Alert(
        severity=labels.get("severity", ""),
        alert=labels.get("alertname", ""),
        since=str(alert.get("activeAt") or ""),
        what=_what(labels, annotations),
        command=str(annotations.get("command") or ""),
        state=_state(labels, told),
        labels=labels,
    )


def _what(labels: Mapping[str, str], annotations: Mapping[str, Any]) -> str:
    """The summary, and which one it is: `A pod restarts again and again (pod hustlex-api-7d, container api)`."""
    which = ", ".join(f"{name} {value}" for name, value in sorted(labels.items()) if name not in _LEFT_OUT)
    summary = " ".join(str(annotations.get("summary") or "").split())
    return f"{summary} ({which})" if which else summary


def _state(labels: Mapping[str, str], told: Iterable[Mapping[str, Any]]) -> str:
    """Alertmanager has the labels of the whole Prometheus, too."""
    for each in told:
        if labels.items() <= _labels(each).items():
            status = each.get("status") or {}
            if status.get("silencedBy"):
                return "silenced"
            return "inhibited" if status.get("inhibitedBy") else "active"
    return ""


def _labels(alert: Mapping[str, Any]) -> dict[str, str]:
    return {str(name): str(value) for name, value in (alert.get("labels") or {}).items()}


def _rank(severity: str) -> int:
    return _SEVERITIES.index(severity) if severity in _SEVERITIES else len(_SEVERITIES)


def _clock(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
