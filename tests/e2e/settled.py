"""The proof that the application kept every transaction that a load was told it accepted."""

from __future__ import annotations

import time
from collections.abc import Callable
from decimal import Decimal

from .results import Accepted, Results

_UNFINISHED = "SELECT count(*) FROM jobs WHERE status = 'queued'"
_FAILED = "SELECT id, kind, last_error FROM jobs WHERE status = 'failed'"
_TRANSACTIONS = """
SELECT t.id, t.user_id, t.amount_ngn, t.status, count(j.id), count(j.id) FILTER (WHERE j.status = 'done')
FROM transactions t LEFT JOIN jobs j ON j.kind = 'settle_transaction' AND j.subject_id = t.id
WHERE t.user_id IN ({users}) GROUP BY t.id ORDER BY t.id"""
_BALANCES = "SELECT id, balance_ngn FROM users WHERE id IN ({users})"


def jobs_done(psql: Callable[[str], str], results: Results, within: float = 60) -> int:
    """Prove that every job is done, and every accepted transaction settled exactly once; return how many these are.

    `psql` runs a statement as `psql -qAtX` does. A transaction whose answer was lost may be there or not, but is not
    settled twice either.
    """
    deadline = time.monotonic() + within
    while (unfinished := int(psql(_UNFINISHED))) and time.monotonic() < deadline:
        time.sleep(0.5)
    assert not unfinished, f"{unfinished} jobs are not done within {within:g} s"
    assert not (failed := psql(_FAILED).strip()), f"jobs failed: {failed}"
    if not results.users:
        return 0
    users = ", ".join(map(str, results.users))
    rows = [line.split("|") for line in psql(_TRANSACTIONS.format(users=users)).split()]
    there = {int(row[0]): Accepted(int(row[1]), Decimal(row[2])) for row in rows}
    wrong = [row for row in rows if row[3:] != ["settled", "1", "1"]]
    assert not wrong, f"not settled by exactly one job: {wrong}"
    lost = {number: each for number, each in results.accepted.items() if there.get(number) != each}
    assert not lost, f"accepted and not there: {lost}"
    unknown = len(there) - len(results.accepted)
    unanswered = sum(sample.failed for sample in results.samples if sample.method == "POST")
    assert unknown <= unanswered, f"{unknown} transactions more than were accepted"
    for user, balance in (line.split("|") for line in psql(_BALANCES.format(users=users)).split()):
        expected = sum((each.amount for each in there.values() if each.user == int(user)), Decimal(0))
        assert Decimal(balance) == expected, f"user {user} has {balance} instead of {expected}"
    return len(there)
