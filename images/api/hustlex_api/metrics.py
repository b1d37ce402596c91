"""Every metric of the application; names of the guide, chapters 4.2 and 4.4."""

from prometheus_client import Counter, Gauge, Histogram, Info

from hustlex_api import VERSION

_ROUTE = ["method", "route"]

http_requests = Counter("http_requests_total", "HTTP requests answered", [*_ROUTE, "status"])
http_failures = Counter("http_requests_failed_total", "HTTP requests answered with a status of 500 or more", _ROUTE)
http_duration = Histogram(
    "http_request_duration_seconds",
    "Time to answer an HTTP request",
    _ROUTE,
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
active_connections = Gauge("active_connections", "Open client connections")
pool_connections = Gauge("db_pool_connections", "Connections of the database pool", ["state"])

transactions = Counter("transactions_total", "Transactions accepted", ["kind"])
# A gauge that only grows: the client library would add _total to a counter, and the guide's name has none.
transaction_volume = Gauge("transaction_volume_ngn", "Value of accepted transactions in naira", ["kind"])
registrations = Counter("registrations_total", "New users")
active_users = Gauge("active_users", "Users seen in the last 24 hours (the same number from every process)")
gigs_created = Counter("gigs_created_total", "Gigs created")
gigs_completed = Counter("gigs_completed_total", "Gigs completed")
savings_contributions = Counter("savings_contributions_total", "Savings contributions")
savings_volume = Counter("savings_contributions_ngn_total", "Value of savings contributions in naira")
loan_disbursements = Counter("loan_disbursements_total", "Loans disbursed")
loan_volume = Counter("loan_disbursements_ngn_total", "Value of disbursed loans in naira")

jobs = Counter("jobs_processed_total", "Jobs taken from the queue", ["kind", "result"])
job_duration = Histogram("job_duration_seconds", "Time to process a job", ["kind"])
jobs_queued = Gauge("jobs_queued", "Jobs in the queue, being worked on or waiting")
dependency_up = Gauge("dependency_up", "1 when the last probe of the dependency worked", ["dependency"])
schema_version = Gauge("schema_version", "Schema version found in the database")

Info("hustlex_build", "What runs here").info({"version": VERSION})
for kind in ("credit", "debit"):
    transactions.labels(kind)
    transaction_volume.labels(kind)
