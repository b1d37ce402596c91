"""What each kind of job does, inside the transaction that also marks the job as done.

An effect returns what to count after the commit. Paystack and Termii are not called: this is a stand-in.
"""

from collections.abc import Awaitable, Callable

from hustlex_api import metrics
from hustlex_api.jobs import Connection

Count = Callable[[], None]


async def settle_transaction(connection: Connection, transaction: int) -> Count:
    await connection.execute(
        "WITH settled AS (UPDATE transactions SET status = 'settled', settled_at = now() WHERE id = %s"
        " RETURNING user_id, CASE kind WHEN 'credit' THEN amount_ngn ELSE -amount_ngn END AS change)"
        " UPDATE users SET balance_ngn = balance_ngn + change FROM settled WHERE users.id = user_id",
        [transaction],
    )
    return lambda: None


async def disburse_loan(connection: Connection, loan: int) -> Count:
    cursor = await connection.execute(
        "WITH paid AS (UPDATE loans SET status = 'disbursed', disbursed_at = now() WHERE id = %s"
        " RETURNING user_id, amount_ngn)"
        " UPDATE users SET balance_ngn = balance_ngn + amount_ngn FROM paid WHERE users.id = user_id"
        " RETURNING amount_ngn",
        [loan],
    )
    row = await cursor.fetchone()

    def count() -> None:
        metrics.loan_disbursements.inc()
        metrics.loan_volume.inc(float(row["amount_ngn"]) if row else 0)

    return count


async def welcome_user(connection: Connection, user: int) -> Count:
    await connection.execute("UPDATE users SET welcomed_at = now() WHERE id = %s", [user])
    return lambda: None


EFFECTS: dict[str, Callable[[Connection, int], Awaitable[Count]]] = {
    "settle_transaction": settle_transaction,
    "disburse_loan": disburse_loan,
    "welcome_user": welcome_user,
}
