"""All dashboards, and their queries for whoever wants to run them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from . import api_overview, backups, build, business, logs, nodes, postgres, redis
from .model import Dashboard, Language, Panel, Query
from .panels import is_instant, references

FOLDER = Path(__file__).resolve().parents[2] / "roles/monitoring/files/dashboards"
DASHBOARDS: tuple[Dashboard, ...] = (
    api_overview.DASHBOARD,
    business.DASHBOARD,
    postgres.DASHBOARD,
    redis.DASHBOARD,
    backups.DASHBOARD,
    nodes.DASHBOARD,
    logs.DASHBOARD,
)
# What Grafana puts in by itself, for a time range of an hour.
BUILT_IN = {"__rate_interval": "5m", "__range": "1h", "__auto": "5m"}
# What a person chooses; nothing narrows the lines down.
CHOSEN = {"namespace": "hustlex", "app": ".+", "level": ".*", "pod": ".+", "search": ""}
NO_LOGS = "needs Loki, whose image cannot be had there"
VARIABLE = re.compile(r"\$(\w+)")


@dataclass(frozen=True)
class PanelQuery:
    """A query as Grafana sends it. C(sparse) as in the model, of all logs; an annotation has no reference."""

    dashboard: str
    panel: str
    reference: str
    language: Language
    expression: str
    instant: bool
    sparse: str


def files() -> dict[Path, str]:
    """Path and text of every dashboard."""
    return {FOLDER / f"{each.file}.json": build.as_json(each) for each in DASHBOARDS}


def queries(**chosen: str) -> Iterator[PanelQuery]:
    """Every query of every panel, and the annotation, with values in place of the variables. Raises KeyError for an unknown one."""
    values = {**BUILT_IN, **CHOSEN, **chosen}
    yield PanelQuery("all", "Deploys", "", "promql", substituted(build.DEPLOYS, values), False, "")
    for dashboard in DASHBOARDS:
        for panel in dashboard.panels:
            for reference, query in references(panel):
                yield PanelQuery(
                    dashboard.title,
                    panel.title,
                    reference,
                    panel.language,
                    substituted(query.expr, values),
                    is_instant(panel),
                    why_sparse(panel, query),
                )


def why_sparse(panel: Panel, query: Query) -> str:
    return NO_LOGS if panel.language == "logql" else query.sparse


def substituted(expression: str, values: Mapping[str, str]) -> str:
    return VARIABLE.sub(lambda found: values[found[1]], expression)
