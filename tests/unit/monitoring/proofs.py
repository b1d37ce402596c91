"""What the cases of promtool prove: which alert fires with which labels, and which stays silent beside which series."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

CASES = sorted((Path(__file__).parent / "rules").glob("*.yml"))


@dataclass(frozen=True)
class Proof:
    """C(labels) are those of the alert that fires, where the case gives all of them; C(series) are the names of its input."""

    alert: str
    fires: bool
    labels: frozenset[str]
    series: frozenset[str]


def proofs(alerts: list[str]) -> list[Proof]:
    return [
        proof
        for path in CASES
        for case in yaml.safe_load(path.read_text(encoding="utf-8"))["tests"]
        for proof in of_case(case, alerts)
    ]


def of_case(case: dict[str, Any], alerts: list[str]) -> Iterator[Proof]:
    series = frozenset(each["series"].split("{")[0] for each in case["input_series"])
    for check in case.get("alert_rule_test", []):
        fired = [frozenset(each["exp_labels"]) | {"alertname"} for each in check.get("exp_alerts") or []]
        for labels in fired or [frozenset()]:
            yield Proof(check["alertname"], bool(fired), labels, series)
    for check in case.get("promql_expr_test", []):
        if matcher := re.search(r'ALERTS\{alertname=~?"([^"]+)", alertstate="firing"', check["expr"]):
            samples = [labels_of(each["labels"]) for each in check["exp_samples"]]
            # A figure over alerts has not all of their labels.
            whole = check["expr"].startswith("ALERTS{")
            for labels in samples:
                if "alertname" in labels:
                    yield Proof(labels["alertname"], True, frozenset(labels) if whole else frozenset(), series)
            for alert in alerts:
                if re.fullmatch(matcher[1], alert) and not any(labels.get("alertname") == alert for labels in samples):
                    yield Proof(alert, False, frozenset(), series)


def labels_of(text: str) -> dict[str, str]:
    return dict(re.findall(r'(\w+)="([^"]*)"', text))


def reads(expression: str, recorded: dict[str, str], series: frozenset[str]) -> bool:
    """Whether an expression looks at one of the series, itself or through what is recorded."""
    names = set(re.findall(r"[A-Za-z_:][\w:]*", expression))
    patterns = re.findall(r'__name__=~"([^"]+)"', expression)
    if names & series or any(re.fullmatch(pattern, name) for pattern in patterns for name in series):
        return True
    return any(
        reads(recorded[name], recorded, series) for name in names & recorded.keys() if recorded[name] != expression
    )
