"""Queries are valid, and ask for what exists."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import yaml
from dashboards import catalogue
from dashboards.catalogue import PanelQuery
from servers import program

ROOT = Path(__file__).parents[3]
ROLE = ROOT / "roles/monitoring"
# Of the exporters that everybody uses; what they are called is not ours to say.
FOREIGN = re.compile(r"(pg|pgbouncer|redis|node|kube|kubelet|container|probe|prometheus|alertmanager)_")
PROMQL_WORDS = {
    "abs", "and", "avg", "bool", "by", "count", "deriv", "group_left", "histogram_quantile", "increase", "max", "min", "offset",
    "on", "or", "rate", "sort_desc", "sum", "time", "topk", "unless", "vector",
}  # fmt: skip


def promql() -> Iterator[PanelQuery]:
    return (query for query in catalogue.queries() if query.language == "promql")


def metrics(expression: str) -> set[str]:
    """Names that are neither a word of the language, a label nor a string."""
    bare = re.sub(r'"[^"]*"', "", expression)
    bare = re.sub(r"\{[^}]*\}|\[[^\]]*\]|\b(by|on|group_left) \([^)]*\)", " ", bare)
    return set(re.findall(r"(?<![\w.])[a-zA-Z_]\w*", bare)) - PROMQL_WORDS


def test_prometheus_understands_every_query(tmp_path: Path) -> None:
    rules = [{"record": f"query:{number}", "expr": query.expression} for number, query in enumerate(promql())]
    file = tmp_path / "queries.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}))
    promtool, environ = program("promtool", "prometheus")
    done = subprocess.run(
        [promtool, "check", "rules", file], env=environ, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert f"{len(rules)} rules found" in done.stdout


def test_loki_gets_a_selector_and_balanced_brackets() -> None:
    """There is no parser of its language to be had; a test against a Loki has to run them."""
    for query in catalogue.queries():
        if query.language == "logql":
            bare = re.sub(r'"[^"]*"|`[^`]*`', "", query.expression)
            assert "{namespace=" in query.expression
            assert all(bare.count(left) == bare.count(right) for left, right in ("()", "{}", "[]"))


def test_our_own_metrics_are_documented_or_recorded() -> None:
    application = set(re.findall(r"`(\w+)`", (ROOT / "docs/application.md").read_text(encoding="utf-8")))
    exporter = (ROOT / "images/backup/jobs/exporter.py").read_text(encoding="utf-8")
    backup = {f"hustlex_backup_{name}" for name in re.findall(r'(?:gauge|labelled)\(\s*"(\w+)"', exporter)}
    recorded = set(
        re.findall(r"record: (\w+)", (ROLE / "templates/rules/recording.yml.j2").read_text(encoding="utf-8"))
    )
    known = application | backup | recorded | {"up", "ALERTS"}
    for query in promql():
        own = {name for name in metrics(query.expression) if not FOREIGN.match(name)}
        assert {name.removesuffix("_bucket") for name in own} <= known, query


def test_prometheus_keeps_what_panels_ask_kubelets_for() -> None:
    variables = yaml.safe_load((ROLE / "vars/main.yml").read_text(encoding="utf-8"))
    kept = re.compile("|".join(variables["__monitoring_kubelet_metrics"] + variables["__monitoring_cadvisor_metrics"]))
    asked = {name for query in promql() for name in metrics(query.expression) if re.match("(kubelet|container)_", name)}
    assert asked
    assert [name for name in sorted(asked) if not kept.fullmatch(name)] == []


def test_alerts_that_panels_name_exist() -> None:
    places = [*(ROLE / "templates/rules").iterdir(), ROLE / "vars/main.yml"]
    text = "".join(path.read_text(encoding="utf-8") for path in places)
    for spec in catalogue.DASHBOARDS:
        for panel in spec.panels:
            named = re.findall(r"\b(?:[A-Z][a-z]+){2,}(?= (?:and|fires?)\b)", panel.description)
            assert [name for name in named if name not in text] == [], panel.title


def test_pages_that_dashboards_link_to_exist() -> None:
    assert [spec.page for spec in catalogue.DASHBOARDS if not (ROOT / "docs" / spec.page).exists()] == []
