"""Logs of everything in the namespace."""

from __future__ import annotations

from .model import Choice, Dashboard, Panel, Query, Row, Text, Values

# Loki finds the level of a line by itself, whatever wrote it.
FAILURES = 'detected_level=~"error|critical|fatal"'
STREAM = '{namespace="$namespace", app=~"$app", pod=~"$pod"}'


def per_app(lines: str, function: str = "count_over_time") -> str:
    return f"sum by (app) ({function}({lines} [$__auto]))"


PANELS = (
    Panel(
        "Lines",
        "Log lines of each application.",
        (Query(per_app(STREAM), "{{app}}"),),
        unit="short",
        language="logql",
        width=8,
        stack=True,
    ),
    Panel(
        "Errors",
        "Lines of level error and above of each application.",
        (Query(per_app(f"{STREAM} | {FAILURES}"), "{{app}}"),),
        unit="short",
        language="logql",
        width=8,
        stack=True,
    ),
    Panel(
        "Volume",
        "Bytes of logs per second of each application. The loudest one fills Loki's disk.",
        (Query(per_app(STREAM, "bytes_rate"), "{{app}}"),),
        unit="Bps",
        language="logql",
        width=8,
        stack=True,
    ),
    Panel(
        "Most frequent errors of the application",
        "Messages of API and workers at level error and above, within the time range.",
        (
            Query(
                'topk(10, sum by (app, message) (count_over_time({namespace="$namespace",'
                ' app=~"hustlex-api|hustlex-worker"} | json level="level", message="message"'
                ' | level=~"error|critical" [$__range])))',
                "{{app}}: {{message}}",
            ),
        ),
        unit="short",
        kind="ranking",
        language="logql",
        width=24,
        decimals=0,
    ),
    Panel(
        "Log lines",
        "The newest 1,000 lines that fit the choices above; more are read while scrolling.",
        (Query(f'{STREAM} |~ `(?i)$search` | detected_level=~"$level"', ""),),
        unit="",
        kind="logs",
        language="logql",
        width=24,
        height=20,
    ),
)

DASHBOARD = Dashboard(
    file="logs",
    uid="hustlex-logs",
    title="Logs",
    description="Lines of all pods. Application and pod narrow all panels down, level and text the lines below.",
    page="monitoring.md",
    hours=1,
    language="logql",
    variables=(
        Values("app", "Application", stream='{namespace="$namespace"}', several=True),
        Values("pod", "Pod", stream='{namespace="$namespace", app=~"$app"}', several=True),
        Choice(
            "level",
            "Level",
            {"all": ".*", "warnings and errors": "warn.*|error|critical|fatal", "errors": "error|critical|fatal"},
        ),
        Text("search", "Text"),
    ),
    rows=(Row(PANELS),),
)
