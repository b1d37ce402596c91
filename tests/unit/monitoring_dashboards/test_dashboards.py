"""The dashboards that role monitoring gives to Grafana."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from dashboards import build, catalogue
from dashboards.__main__ import main
from dashboards.model import Dashboard, Panel, Query, Row

ROOT = Path(__file__).parents[3]
# Guide 4.4, point by point.
GUIDE = {
    "API Overview": [
        "Request rate (RPS)",
        "Error rate",
        "Latency percentiles (p50, p95, p99)",
        "Active connections",
        "Top endpoints by request count",
        "Top endpoints by error rate",
    ],
    "Business": [
        "Transaction volume (hourly, daily)",
        "Registration count",
        "Active users",
        "Gigs created/completed",
        "Savings contributions",
        "Loan disbursements",
    ],
}
FURTHER = ["Postgres & PgBouncer", "Redis", "Backups & recovery", "Nodes & capacity", "Logs"]
BUILT_IN = {"__rate_interval", "__range", "__auto", "__url_time_range"}
# Guide 4.2 names these, recording rules make them; nodes, Prometheus and alerts have no namespace of their own.
WITHOUT_NAMESPACE = re.compile(
    r"\b(cpu_usage|memory_usage|disk_usage|node_\w+|kube_node_\w+|up|ALERTS|prometheus_\w+|alertmanager_\w+)\b"
)

every_dashboard = pytest.mark.parametrize("spec", catalogue.DASHBOARDS, ids=lambda spec: spec.file)
every_panel = pytest.mark.parametrize(
    "panel",
    [pytest.param(panel, id=f"{spec.file}: {panel.title}") for spec in catalogue.DASHBOARDS for panel in spec.panels],
)


def load(spec: Dashboard) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((catalogue.FOLDER / f"{spec.file}.json").read_text(encoding="utf-8"))
    return found


def test_what_is_committed_is_what_the_generator_makes() -> None:
    committed = {path: path.read_text(encoding="utf-8") for path in catalogue.FOLDER.iterdir()}
    assert committed == catalogue.files(), "run PYTHONPATH=scripts python -m dashboards"


def test_every_dashboard_that_is_asked_for_exists() -> None:
    assert [spec.title for spec in catalogue.DASHBOARDS] == [*GUIDE, *FURTHER]


@pytest.mark.parametrize("title", GUIDE)
def test_every_point_of_the_guide_is_a_panel(title: str) -> None:
    (spec,) = (spec for spec in catalogue.DASHBOARDS if spec.title == title)
    assert [panel["title"] for panel in load(spec)["panels"]] == GUIDE[title]


@every_panel
def test_a_panel_says_what_it_shows_and_in_which_unit(panel: Panel) -> None:
    assert panel.title
    assert panel.description.endswith(".")
    assert panel.queries
    assert len({query.legend for query in panel.queries}) == len(panel.queries)
    if panel.kind != "logs":
        assert panel.unit
        assert all(query.legend for query in panel.queries)


@every_panel
def test_a_panel_shows_the_chosen_namespace(panel: Panel) -> None:
    for query in panel.queries:
        assert 'namespace="$namespace"' in query.expr or WITHOUT_NAMESPACE.search(query.expr), query.expr


@every_panel
def test_rates_fit_the_resolution(panel: Panel) -> None:
    """A fixed window would skip samples on a long time range, and one of the panel's interval have too few on a short one."""
    for query in panel.queries:
        windows = re.findall(r"\brate\([^\[]*\[([^\]]+)\]", query.expr)
        assert set(windows) <= {"$__rate_interval"}, query.expr


@every_dashboard
def test_panels_have_a_number_and_a_place_of_their_own(spec: Dashboard) -> None:
    panels = load(spec)["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    fields = [
        (column, row)
        for place in (panel["gridPos"] for panel in panels)
        for column in range(place["x"], place["x"] + place["w"])
        for row in range(place["y"], place["y"] + place["h"])
    ]
    assert len(fields) == len(set(fields))
    assert all(column < 24 for column, _row in fields)


def test_dashboards_have_a_name_of_their_own() -> None:
    for name in ("uid", "file", "title"):
        assert len({getattr(spec, name) for spec in catalogue.DASHBOARDS}) == len(catalogue.DASHBOARDS)


@every_dashboard
def test_a_dashboard_is_recent_links_to_the_others_and_its_page_and_marks_deploys(spec: Dashboard) -> None:
    found = load(spec)
    assert found["refresh"] == "30s"
    assert found["time"] == {"from": f"now-{spec.hours}h", "to": "now"}
    others, page = found["links"]
    assert (others["type"], others["tags"], others["includeVars"]) == ("dashboards", found["tags"], True)
    assert page["url"] == f"{build.DOCS}/{spec.page}"
    (deploys,) = found["annotations"]["list"]
    assert deploys["useValueForTime"]
    assert deploys["target"]["expr"].startswith("kube_configmap_created{")


def test_links_to_panels_of_other_dashboards_exist() -> None:
    targets = {f"/d/{spec.uid}" for spec in catalogue.DASHBOARDS}
    links = [link for spec in catalogue.DASHBOARDS for panel in spec.panels for link in panel.links]
    assert {link.url.partition("?")[0] for link in links} <= targets


@every_dashboard
def test_every_variable_is_defined(spec: Dashboard) -> None:
    found = load(spec)
    defined = {variable["name"] for variable in found["templating"]["list"]}
    used = set(re.findall(r"\$\{?(\w+)", json.dumps(found))) - BUILT_IN
    # A link fills in variables of the dashboard that it leads to; Grafana's word for all values is no variable.
    assert used - {"__all"} <= defined


@every_dashboard
def test_no_data_source_is_fixed(spec: Dashboard) -> None:
    """So that the JSON fits a Grafana of your own, whatever its data sources are called."""
    found = json.dumps(load(spec)["panels"])
    assert set(re.findall(r'"uid": "([^"]+)"', found)) <= {"${datasource}", "${loki}"}


@every_dashboard
def test_a_dashboard_fits_a_config_map(spec: Dashboard) -> None:
    assert (catalogue.FOLDER / f"{spec.file}.json").stat().st_size < 1_000_000


def test_queries_lists_all_of_them_without_variables() -> None:
    found = list(catalogue.queries(namespace="shop"))
    assert len(found) == 1 + sum(len(panel.queries) for spec in catalogue.DASHBOARDS for panel in spec.panels)
    assert [query for query in found if "$" in query.expression] == []
    assert [query for query in found if 'namespace="hustlex"' in query.expression] == []
    assert {(query.language, query.instant) for query in found} == {
        ("promql", True), ("promql", False), ("logql", True), ("logql", False),
    }  # fmt: skip


def test_a_variable_that_nobody_knows_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    panel = Panel("a", "b.", (Query("up{x='$mystery'}", "c"),), unit="short")
    spec = Dashboard("a", "a", "a", "b", "monitoring.md", 1, (Row((panel,)),))
    monkeypatch.setattr(catalogue, "DASHBOARDS", (spec,))
    with pytest.raises(KeyError, match="mystery"):
        list(catalogue.queries())


def test_stale_and_surplus_files_are_told_and_mended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dashboards.catalogue.FOLDER", tmp_path)
    monkeypatch.setattr("dashboards.__main__.FOLDER", tmp_path)
    (tmp_path / "old.json").touch()
    (tmp_path / "logs.json").write_text("{}")
    told = main(check=True)
    assert told is not None
    assert all(name in told for name in ("old.json", "logs.json", "redis.json"))
    assert main(check=False) is None
    assert main(check=True) is None
    assert {path.stem for path in tmp_path.iterdir()} == {spec.file for spec in catalogue.DASHBOARDS}
