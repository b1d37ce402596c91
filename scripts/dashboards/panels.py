"""Panels as the SDK's builders."""

from __future__ import annotations

from collections.abc import Iterator
from string import ascii_uppercase

from grafana_foundation_sdk.builders import bargauge, common, logs, loki, prometheus, stat, timeseries
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models.common import (
    AxisPlacement,
    BarGaugeDisplayMode,
    BigValueColorMode,
    BigValueGraphMode,
    DataSourceRef,
    GraphDrawStyle,
    GraphThresholdsStyleMode,
    LegendDisplayMode,
    LegendPlacement,
    LogsSortOrder,
    SortOrder,
    StackingMode,
    TooltipDisplayMode,
    VisibilityMode,
    VizOrientation,
)
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from . import fields
from .model import Language, Panel, Query

Metrics = timeseries.Panel | stat.Panel | bargauge.Panel
Target = prometheus.Dataquery | loki.Dataquery

SOURCES: dict[Language, DataSourceRef] = {
    "promql": DataSourceRef(type_val="prometheus", uid="${datasource}"),
    "logql": DataSourceRef(type_val="loki", uid="${loki}"),
}
MOST_LINES = 1000


def panel(spec: Panel, number: int) -> Builder[models.Panel]:
    if spec.kind == "logs":
        return _lines(spec, number)
    built = _metrics(spec).id(number).title(spec.title).description(spec.description)
    built.datasource(SOURCES[spec.language]).span(spec.width).height(spec.height)
    built.unit(spec.unit).thresholds(fields.thresholds(spec.limits))
    if spec.decimals is not None:
        built.decimals(spec.decimals)
    if spec.minimum is not None:
        built.min(spec.minimum)
    if spec.maximum is not None:
        built.max(spec.maximum)
    if spec.states:
        built.mappings([fields.states(spec.states)])
    if spec.links:
        built.links([fields.link(each) for each in spec.links])
    for ref, query in references(spec):
        built.with_target(_target(spec, ref, query))
    return built


def references(spec: Panel) -> Iterator[tuple[str, Query]]:
    """The queries with the letters that Grafana calls them by."""
    return zip(ascii_uppercase, spec.queries, strict=False)


def is_instant(spec: Panel) -> bool:
    """Whether the panel asks for now instead of for the whole time range."""
    return spec.kind in ("stat", "ranking")


def _metrics(spec: Panel) -> Metrics:
    if spec.kind == "stat":
        return _stat(spec)
    if spec.kind == "ranking":
        return _ranking()
    return _graph(spec)


def _graph(spec: Panel) -> timeseries.Panel:
    legend = common.VizLegendOptions().display_mode(LegendDisplayMode.TABLE).placement(LegendPlacement.BOTTOM)
    tooltip = common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI).sort(SortOrder.DESCENDING)
    built = (
        timeseries.Panel()
        .legend(legend.show_legend(True).calcs(["lastNotNull", "max"]))
        .tooltip(tooltip)
        .show_points(VisibilityMode.NEVER)
        .fill_opacity(30 if spec.stack else 10)
    )
    if spec.stack:
        built.stacking(common.StackingConfig().mode(StackingMode.NORMAL).group("A"))
    if fields.has_limits(spec.limits):
        built.thresholds_style(common.GraphThresholdsStyleConfig().mode(GraphThresholdsStyleMode.DASHED))
    for ref, query in references(spec):
        if properties := _own_style(query):
            built.override_by_query(ref, properties)
    return built


def _own_style(query: Query) -> list[models.DynamicConfigValue]:
    style: dict[str, object] = {}
    if query.unit:
        style |= {"unit": query.unit, "custom.axisPlacement": AxisPlacement.RIGHT}
    if query.bars:
        style |= {"custom.drawStyle": GraphDrawStyle.BARS, "custom.fillOpacity": 60, "custom.lineWidth": 0}
    return [models.DynamicConfigValue(id_val=name, value=value) for name, value in style.items()]


def _stat(spec: Panel) -> stat.Panel:
    colored = fields.has_limits(spec.limits) or bool(spec.states)
    return (
        stat.Panel()
        .reduce_options(_last())
        .graph_mode(BigValueGraphMode.NONE)
        .color_mode(BigValueColorMode.BACKGROUND if colored else BigValueColorMode.NONE)
    )


def _ranking() -> bargauge.Panel:
    built = bargauge.Panel().reduce_options(_last()).orientation(VizOrientation.HORIZONTAL)
    return built.display_mode(BarGaugeDisplayMode.BASIC)


def _last() -> common.ReduceDataOptions:
    return common.ReduceDataOptions().calcs(["lastNotNull"])


def _lines(spec: Panel, number: int) -> logs.Panel:
    built = logs.Panel().id(number).title(spec.title).description(spec.description)
    built.datasource(SOURCES["logql"]).span(spec.width).height(spec.height)
    built.show_time(True).wrap_log_message(True).enable_log_details(True).sort_order(LogsSortOrder.DESCENDING)
    for ref, query in references(spec):
        built.with_target(_target(spec, ref, query))
    return built


def _target(spec: Panel, ref: str, query: Query) -> Target:
    if spec.language == "logql":
        lines = loki.Dataquery().datasource(SOURCES["logql"]).ref_id(ref).expr(query.expr)
        if spec.kind == "logs":
            return lines.query_type("range").max_lines(MOST_LINES)
        return lines.legend_format(query.legend).query_type("instant" if is_instant(spec) else "range")
    target = prometheus.Dataquery().datasource(SOURCES["promql"]).ref_id(ref).expr(query.expr)
    target.legend_format(query.legend).format(PromQueryFormat.TIME_SERIES)
    if query.step:
        target.interval(query.step)
    return target.instant() if is_instant(spec) else target.range()
