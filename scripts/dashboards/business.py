"""Guide 4.4, Business Dashboard: a panel for each of its points."""

from __future__ import annotations

from .model import Dashboard, Panel, Query, Row

NAIRA = "currency:₦"
A_WEEK = "needs a week of samples"


def hourly(metric: str, legend: str, unit: str = "") -> Query:
    """A bar for each hour."""
    expr = f'sum(increase({metric}{{namespace="$namespace"}}[1h]))'
    return Query(expr, legend, unit=unit, bars=not unit, step="1h")


def a_week_before(metric: str) -> Query:
    expr = f'sum(increase({metric}{{namespace="$namespace"}}[1h] offset 1w))'
    return Query(expr, "a week before", step="1h", sparse=A_WEEK)


PANELS = (
    Panel(
        "Transaction volume (hourly, daily)",
        "Value of accepted transactions: a bar for each hour; the line is the sum of the 24 hours before, on the"
        " right axis.",
        (
            hourly("transaction_volume_ngn", "each hour"),
            Query(
                'sum(increase(transaction_volume_ngn{namespace="$namespace"}[1d]))',
                "24 hours",
                unit=NAIRA,
                step="1h",
            ),
            a_week_before("transaction_volume_ngn"),
        ),
        unit=NAIRA,
    ),
    Panel(
        "Registration count",
        "New users in each hour, and in the same hour a week before.",
        (hourly("registrations_total", "each hour"), a_week_before("registrations_total")),
        unit="short",
        decimals=0,
    ),
    Panel(
        "Active users",
        "Users of the last 24 hours (guide 4.2: DAU), and a week before. Every process tells the same number.",
        (
            Query('max(active_users{namespace="$namespace"})', "last 24 hours"),
            Query('max(active_users{namespace="$namespace"} offset 1w)', "a week before", sparse=A_WEEK),
        ),
        unit="short",
        decimals=0,
    ),
    Panel(
        "Gigs created/completed",
        "Gigs that were created and that were completed in each hour.",
        (hourly("gigs_created_total", "created"), hourly("gigs_completed_total", "completed")),
        unit="short",
        decimals=0,
    ),
    Panel(
        "Savings contributions",
        "Contributions in each hour as bars, their value as a line on the right axis.",
        (
            hourly("savings_contributions_total", "contributions"),
            hourly("savings_contributions_ngn_total", "value", unit=NAIRA),
        ),
        unit="short",
    ),
    Panel(
        "Loan disbursements",
        "Loans that workers disbursed in each hour as bars, their value as a line on the right axis.",
        (
            hourly("loan_disbursements_total", "loans"),
            hourly("loan_disbursements_ngn_total", "value", unit=NAIRA),
        ),
        unit="short",
    ),
)

DASHBOARD = Dashboard(
    file="business",
    uid="hustlex-business",
    title="Business",
    description="What HustleX is used for (guide 4.4). A bar is one hour and stands at its end.",
    page="application.md",
    hours=7 * 24,
    rows=(Row(PANELS),),
)
