"""Guide 4.4, API Overview Dashboard: a panel for each of its points."""

from __future__ import annotations

from .limits import threshold
from .model import Dashboard, Limits, Link, Panel, Query, Row

ERRORS_IN_LOGS = Link(
    "Errors in the logs",
    "/d/hustlex-logs?var-namespace=${namespace}&var-app=hustlex-api&var-level=error|critical|fatal&${__url_time_range}",
)


def percentile(percent: int) -> Query:
    rates = 'sum by (le) (rate(http_request_duration_seconds_bucket{namespace="$namespace"}[$__rate_interval]))'
    return Query(f"histogram_quantile({percent / 100}, {rates})", f"p{percent}")


PANELS = (
    Panel(
        "Request rate (RPS)",
        "Answered requests per second by status. Probes and metrics are not counted.",
        (
            Query(
                'sum by (status) (rate(http_requests_total{namespace="$namespace"}[$__rate_interval]))',
                "{{status}}",
            ),
        ),
        unit="reqps",
        stack=True,
    ),
    Panel(
        "Error rate",
        "Share of requests answered with a status of 500 or more. HighErrorRate fires above the line.",
        (
            Query(
                'sum(rate(http_requests_failed_total{namespace="$namespace"}[$__rate_interval]))'
                ' / sum(rate(http_requests_total{namespace="$namespace"}[$__rate_interval]))',
                "errors",
            ),
        ),
        unit="percentunit",
        limits=Limits(critical=threshold("http_error_ratio")),
        links=(ERRORS_IN_LOGS,),
    ),
    Panel(
        "Latency percentiles (p50, p95, p99)",
        "Time to answer: half, 95 % and 99 % of the requests are at least as quick. HighLatency fires when p95 is above the"
        " line.",
        (percentile(50), percentile(95), percentile(99)),
        unit="s",
        limits=Limits(critical=threshold("http_latency_p95_seconds")),
    ),
    Panel(
        "Active connections",
        "Open client connections by pod, one above the other. TooManyConnections fires when all together are above"
        " the line.",
        (Query('sum by (pod) (active_connections{namespace="$namespace"})', "{{pod}}"),),
        unit="short",
        stack=True,
        limits=Limits(critical=threshold("active_connections")),
    ),
    Panel(
        "Top endpoints by request count",
        "The ten most used endpoints within the time range, with their requests.",
        (
            Query(
                "sort_desc(topk(10, sum by (method, route)"
                ' (increase(http_requests_total{namespace="$namespace"}[$__range]))))',
                "{{method}} {{route}}",
            ),
        ),
        unit="short",
        kind="ranking",
        decimals=0,
    ),
    Panel(
        "Top endpoints by error rate",
        "The ten endpoints with the highest share of requests answered with a status of 500 or more, within the"
        " time range.",
        (
            Query(
                "sort_desc(topk(10, sum by (method, route)"
                ' (increase(http_requests_failed_total{namespace="$namespace"}[$__range]))'
                " / (sum by (method, route)"
                ' (increase(http_requests_total{namespace="$namespace"}[$__range])) > 0)))',
                "{{method}} {{route}}",
            ),
        ),
        unit="percentunit",
        kind="ranking",
        limits=Limits(critical=threshold("http_error_ratio")),
        links=(ERRORS_IN_LOGS,),
    ),
)

DASHBOARD = Dashboard(
    file="api-overview",
    uid="hustlex-api",
    title="API Overview",
    description="What users of the API experience: traffic, errors and latency (guide 4.4).",
    page="application.md",
    hours=3,
    rows=(Row(PANELS),),
)
