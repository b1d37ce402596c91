"""What is shown of the alerts that fire."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from ansible_collections.hustlex.platform.plugins.module_utils.prometheus.alerts import (
    firing,
    notes,
    shown,
    silence_table,
    table,
)
from ansible_collections.hustlex.platform.plugins.module_utils.prometheus.silences import Silence

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)


def alert(name: str, severity: str, state: str = "firing", summary: str = "", **labels: str) -> dict[str, Any]:
    """As Prometheus gives it, with times of nanoseconds."""
    return {
        "labels": {"alertname": name, "severity": severity, "namespace": "hustlex", **labels},
        "annotations": {"summary": summary or f"{name} happens", "command": "ansible-playbook playbooks/status.yml"},
        "state": state,
        "activeAt": "2026-07-01T11:48:00.123456789Z",
        "value": "1e+00",
    }


def told(given: dict[str, Any], **status: Any) -> dict[str, Any]:
    """As Alertmanager gives it, with a label of the whole Prometheus."""
    nothing: dict[str, list[str]] = {"silencedBy": [], "inhibitedBy": []}
    return {"labels": {**given["labels"], "environment": "production"}, "status": {**nothing, **status}}


WATCHDOG = alert("Watchdog", "none")


def test_the_worst_comes_first() -> None:
    given = [alert("B", "warning"), alert("Odd", "page"), alert("A", "info"), alert("C", "critical"), WATCHDOG]
    assert [each.alert for each in shown(firing(given, []))] == ["C", "B", "A", "Odd"]


def test_what_is_about_to_fire_is_told_apart() -> None:
    given = [alert("A", "critical", "pending"), alert("A", "critical", "pending", pod="b"), WATCHDOG]
    found = firing(given, [])
    assert shown(found) == []
    assert notes(found, given) == ["Not firing yet, but about to if it lasts: A."]


def test_nothing_means_nothing_without_the_one_that_always_fires() -> None:
    assert [note.partition(",")[0] for note in notes([], [])] == ["Watchdog does not fire"]
    assert notes(firing([WATCHDOG], []), [WATCHDOG]) == []


def test_the_labels_that_tell_which_one_it_is() -> None:
    given = [
        alert("A", "critical", summary="A pod\n  restarts", pod="api-1", container="api", job="kube-state-metrics")
    ]
    assert firing(given, [])[0].what == "A pod restarts (container api, pod api-1)"


def test_what_alertmanager_keeps_to_itself() -> None:
    given = [alert("A", "critical"), alert("B", "warning"), alert("C", "info"), alert("D", "info")]
    known = [told(given[0], silencedBy=["x"]), told(given[1], inhibitedBy=["y"]), told(given[2])]
    assert [each.state for each in firing(given, known)] == ["silenced", "inhibited", "active", ""]


def test_the_table() -> None:
    given = [alert("DatabaseDown", "critical", pod="postgres-0"), alert("HighLatency", "warning")]
    known = [told(given[0]), told(given[1], silencedBy=["x"])]
    assert table(firing(given, known), NOW) == [
        "SEVERITY            ALERT         SINCE  WHAT                                   COMMAND",
        "critical            DatabaseDown  11m    DatabaseDown happens (pod postgres-0)  ansible-playbook playbooks/status.yml",
        "warning (silenced)  HighLatency   11m    HighLatency happens                    ansible-playbook playbooks/status.yml",
    ]


def test_the_table_of_silences() -> None:
    silence = Silence.of(
        {
            "id": "8e2d",
            "matchers": [
                {"name": "pod", "value": "a|b", "isRegex": True, "isEqual": False},
                {"name": "alertname", "value": "HighLatency", "isRegex": False},
            ],
            "startsAt": "2026-07-01T11:00:00.5Z",
            "endsAt": "2026-07-01T13:00:00.123Z",
            "comment": "load test",
            "createdBy": "jo@desk",
            "status": {"state": "active"},
        }
    )
    assert silence_table([silence]) == [
        "SILENCE  ALERTS                           UNTIL                 REASON     BY",
        "8e2d     alertname=HighLatency, pod!~a|b  2026-07-01 13:00 UTC  load test  jo@desk",
    ]
