"""The queue of jobs, which lives in Redis: a row of its dashboard."""

from __future__ import annotations

from .limits import threshold
from .model import Limits, Panel, Query, Row

ROW = Row(
    title="Jobs",
    panels=(
        Panel(
            "Jobs in the queue",
            "Jobs that wait or are being worked on. Every process tells the same number. JobsQueueGrowing fires"
            " above the line if it goes on growing.",
            (Query('max(jobs_queued{namespace="$namespace"})', "jobs"),),
            unit="short",
            width=8,
            decimals=0,
            limits=Limits(critical=threshold("jobs_queued")),
        ),
        Panel(
            "Jobs per second",
            "Jobs that workers took, by result. A repeated one had been done before.",
            (
                Query(
                    'sum by (result) (rate(jobs_processed_total{namespace="$namespace"}[$__rate_interval]))',
                    "{{result}}",
                ),
            ),
            unit="ops",
            width=8,
            stack=True,
        ),
        Panel(
            "Time per job (p95)",
            "95 % of the jobs of a kind are at least as quick.",
            (
                Query(
                    "histogram_quantile(0.95, sum by (le, kind)"
                    ' (rate(job_duration_seconds_bucket{namespace="$namespace"}[$__rate_interval])))',
                    "{{kind}}",
                ),
            ),
            unit="s",
            width=8,
        ),
    ),
)
