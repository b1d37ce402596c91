"""Dashboards as the JSON that Grafana reads from its files."""

from __future__ import annotations

import json

from grafana_foundation_sdk.builders import dashboard, prometheus
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as models

from .model import BLUE, Choice, Dashboard, Language, Text, Values
from .panels import SOURCES, panel

DOCS = "https://github.com/hustlex/platform/blob/main/docs"
TAG = "hustlex"
REFRESH = "30s"
# A release is recorded once it runs: guide 3.2, role app.
DEPLOYS = 'kube_configmap_created{namespace="$namespace", configmap=~"hustlex-release-.*"} * 1000'
# As role monitoring provisions them.
DEFAULT_SOURCES: dict[Language, tuple[str, str]] = {"promql": ("Prometheus", "prometheus"), "logql": ("Loki", "loki")}


def as_json(spec: Dashboard) -> str:
    found = json.loads(json.dumps(build(spec), cls=JSONEncoder))
    # The SDK puts every link and annotation into a menu, and has no word for their place above the panels.
    for each in [*found["links"], *found["annotations"]["list"]]:
        del each["placement"]
    return json.dumps(found, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def build(spec: Dashboard) -> models.Dashboard:
    built = dashboard.Dashboard(spec.title).uid(spec.uid).description(spec.description).tags([TAG]).readonly()
    built.time(f"now-{spec.hours}h", "now").refresh(REFRESH).timezone("browser")
    built.tooltip(models.DashboardCursorSync.CROSSHAIR).links([_others(), _page(spec)])
    built.variables([*_sources(spec), _namespace(spec), *(_variable(each) for each in spec.variables)])
    built.annotations([_deploys()])
    number = 0
    for row in spec.rows:
        if row.title:
            number += 1
            built.with_row(dashboard.Row(row.title).id(number))
        for each in row.panels:
            number += 1
            built.with_panel(panel(each, number))
    return built.build()


def _others() -> dashboard.DashboardLink:
    link = dashboard.DashboardLink("HustleX").type(models.DashboardLinkType.DASHBOARDS).tags([TAG])
    return link.as_dropdown(True).include_vars(True).keep_time(True).icon("external link")


def _page(spec: Dashboard) -> dashboard.DashboardLink:
    link = dashboard.DashboardLink("Documentation").type(models.DashboardLinkType.LINK).url(f"{DOCS}/{spec.page}")
    return link.tooltip("What the numbers mean and what to do").target_blank(True).icon("doc")


def _sources(spec: Dashboard) -> list[Builder[models.VariableModel]]:
    """Deploys come from Prometheus, wherever the panels' data are."""
    found: list[Builder[models.VariableModel]] = [_source("datasource", "promql")]
    if spec.language == "logql":
        found.append(_source("loki", "logql"))
    return found


def _source(name: str, language: Language) -> dashboard.DatasourceVariable:
    text, value = DEFAULT_SOURCES[language]
    variable = dashboard.DatasourceVariable(name).label(text).type(value)
    return variable.current(models.VariableOption(text=text, value=value))


def _namespace(spec: Dashboard) -> Builder[models.VariableModel]:
    if spec.language == "logql":
        return _variable(Values("namespace", "Namespace"))
    # A target with a fixed address: it does not go away with its pod.
    text = 'label_values(up{job="redis"}, namespace)'
    query: dict[str, object] = {"qryType": 1, "query": text, "refId": "PrometheusVariableQueryEditor-VariableQuery"}
    return _query("namespace", "Namespace", "promql", query).definition(text)


def _query(name: str, label: str, language: Language, query: dict[str, object]) -> dashboard.QueryVariable:
    variable = dashboard.QueryVariable(name).label(label).datasource(SOURCES[language]).query(query)
    return variable.refresh(models.VariableRefresh.ON_DASHBOARD_LOAD).sort(models.VariableSort.ALPHABETICAL_ASC)


def _variable(spec: Choice | Values | Text) -> Builder[models.VariableModel]:
    if isinstance(spec, Text):
        return dashboard.TextBoxVariable(spec.name).label(spec.label).default_value("")
    if isinstance(spec, Choice):
        first = next(iter(spec.values))
        listed = ", ".join(f"{text} : {value}" for text, value in spec.values.items())
        custom = dashboard.CustomVariable(spec.name).label(spec.label).values(listed)
        return custom.current(models.VariableOption(text=first, value=spec.values[first]))
    query: dict[str, object] = {
        "label": spec.name,
        "refId": "LokiVariableQueryEditor-VariableQuery",
        "stream": spec.stream,
        "type": 1,
    }
    variable = _query(spec.name, spec.label, "logql", query)
    if spec.several:
        everything = models.VariableOption(text=["All"], value=["$__all"])
        variable.multi(True).include_all(True).all_value(".+").current(everything)
    return variable


def _deploys() -> dashboard.AnnotationQuery:
    """A mark where a release was recorded: the value of the series, in milliseconds, and not the time of its samples."""
    target = prometheus.Dataquery().expr(DEPLOYS).ref_id("Deploys").range()
    annotation = dashboard.AnnotationQuery().name("Deploys").datasource(SOURCES["promql"]).enable(True)
    annotation.icon_color(BLUE).target(target).use_value_for_time(True)
    return annotation.title_format("Deploy").text_format("{{configmap}}")
