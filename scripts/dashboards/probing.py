"""Alerts, probes and monitoring itself: a row of the dashboard of nodes."""

from __future__ import annotations

from .limits import DAY, threshold
from .model import GREEN, RED, Limits, Panel, Query, Row, State

ROW = Row(
    title="Probes and monitoring",
    panels=(
        Panel(
            "Firing alerts",
            "Alerts of severity critical and warning that fire now. playbooks/alerts.yml shows each with its command.",
            tuple(
                Query(f'count(ALERTS{{alertstate="firing", severity="{severity}"}}) or vector(0)', severity)
                for severity in ("critical", "warning")
            ),
            unit="short",
            kind="stat",
            width=8,
            limits=Limits(critical=1),
        ),
        Panel(
            "Probes",
            "Whether what users and pods reach answers when it is asked from outside of it.",
            (Query('min by (probe) (probe_success{namespace="$namespace"})', "{{probe}}"),),
            unit="short",
            kind="stat",
            width=8,
            states=(State(0, "fails", RED), State(1, "answers", GREEN)),
        ),
        Panel(
            "Certificates",
            "Time until the certificate of each probed address ends. CertificateExpiresSoon fires on orange.",
            (
                Query(
                    'min by (probe) (probe_ssl_earliest_cert_expiry{namespace="$namespace"}) - time()',
                    "{{probe}}",
                    sparse="needs a hustlex_url with https",
                ),
            ),
            unit="s",
            kind="stat",
            width=8,
            limits=Limits(
                threshold("certificate_days") * DAY, threshold("certificate_critical_days") * DAY, falling=True
            ),
        ),
        Panel(
            "Scrape targets that are down",
            "Targets of each job that do not answer Prometheus.",
            (Query("sum by (job) (up == bool 0)", "{{job}}"),),
            unit="short",
            width=8,
            decimals=0,
            limits=Limits(critical=1),
        ),
        Panel(
            "Samples",
            "Samples per second that Prometheus stores. A leap is a label with too many values.",
            (Query("sum(rate(prometheus_tsdb_head_samples_appended_total[$__rate_interval]))", "samples"),),
            unit="cps",
            width=8,
        ),
        Panel(
            "Rule and notification failures",
            "Rules that could not be evaluated, and alerts that did not reach Alertmanager or its receivers.",
            (
                Query("sum(rate(prometheus_rule_evaluation_failures_total[$__rate_interval]))", "rules"),
                Query("sum(rate(prometheus_notifications_errors_total[$__rate_interval]))", "to Alertmanager"),
                Query("sum(rate(alertmanager_notifications_failed_total[$__rate_interval]))", "to receivers"),
            ),
            unit="cps",
            width=8,
        ),
    ),
)
