"""The API under /api/v1: registrations, transactions, gigs, savings, loans."""

from typing import Any

import psycopg
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from hustlex_api import metrics, tokens
from hustlex_api.inputs import Body, current_user, services_of
from hustlex_api.jobs import Connection, accept

PAGE = 50
_ADD_TRANSACTION = """
INSERT INTO transactions (user_id, kind, amount_ngn, idempotency_key) VALUES (%s, %s, %s, %s)
ON CONFLICT (user_id, idempotency_key) DO NOTHING RETURNING id"""
_FIND_TRANSACTION = "SELECT id FROM transactions WHERE user_id = %s AND idempotency_key = %s"
_SHOW_TRANSACTION = """
SELECT id, kind, amount_ngn::float8 AS amount_ngn, status, created_at::text, settled_at::text
FROM transactions WHERE user_id = %s AND id = %s"""
_LIST_TRANSACTIONS = """
SELECT id, kind, amount_ngn::float8 AS amount_ngn, status, created_at::text, settled_at::text
FROM transactions WHERE user_id = %s ORDER BY id DESC LIMIT %s"""
_LIST_GIGS = """
SELECT id, title, price_ngn::float8 AS price_ngn, created_at::text
FROM gigs WHERE completed_at IS NULL ORDER BY id DESC LIMIT %s"""


async def register(request: Request) -> JSONResponse:
    body, services = await Body.of(request), services_of(request)
    try:
        async with services.pool.connection() as connection:
            user = await _insert(
                connection,
                "INSERT INTO users (phone, name) VALUES (%s, %s) RETURNING id",
                [body.text("phone"), body.text("name")],
            )
            job = await accept(connection, "welcome_user", user, services.settings.job_requeue_seconds)
    except psycopg.errors.UniqueViolation as error:
        raise HTTPException(409, "this phone number is registered already") from error
    await services.queue.announce(job)
    metrics.registrations.inc()
    token = tokens.issue(user, services.settings.jwt_secret, services.settings.token_seconds)
    return JSONResponse({"id": user, "token": token}, 201)


async def show_me(request: Request) -> JSONResponse:
    async with services_of(request).pool.connection() as connection:
        user = await current_user(request, connection)
        rows = await _rows(
            connection, "SELECT id, phone, name, balance_ngn::float8 AS balance_ngn FROM users WHERE id = %s", [user]
        )
    return JSONResponse(rows[0])


async def create_transaction(request: Request) -> JSONResponse:
    """With the header Idempotency-Key a repeated request finds the first one's transaction."""
    body, services = await Body.of(request), services_of(request)
    kind, amount = body.text("kind", ("credit", "debit")), body.amount()
    key = request.headers.get("idempotency-key")
    async with services.pool.connection() as connection:
        user = await current_user(request, connection)
        if created := await _rows(connection, _ADD_TRANSACTION, [user, kind, amount, key]):
            number = created[0]["id"]
            job = await accept(connection, "settle_transaction", number, services.settings.job_requeue_seconds)
        else:
            number = (await _rows(connection, _FIND_TRANSACTION, [user, key]))[0]["id"]
        shown = await _rows(connection, _SHOW_TRANSACTION, [user, number])
    if not created:
        return JSONResponse(shown[0])
    await services.queue.announce(job)
    metrics.transactions.labels(kind).inc()
    metrics.transaction_volume.labels(kind).inc(float(amount))
    return JSONResponse(shown[0], 202)


async def list_transactions(request: Request) -> JSONResponse:
    async with services_of(request).pool.connection() as connection:
        user = await current_user(request, connection)
        return JSONResponse(await _rows(connection, _LIST_TRANSACTIONS, [user, PAGE]))


async def show_transaction(request: Request) -> JSONResponse:
    async with services_of(request).pool.connection() as connection:
        user = await current_user(request, connection)
        rows = await _rows(connection, _SHOW_TRANSACTION, [user, request.path_params["id"]])
    if not rows:
        raise HTTPException(404, "no such transaction")
    return JSONResponse(rows[0])


async def create_gig(request: Request) -> JSONResponse:
    body = await Body.of(request)
    async with services_of(request).pool.connection() as connection:
        user = await current_user(request, connection)
        gig = await _insert(
            connection,
            "INSERT INTO gigs (user_id, title, price_ngn) VALUES (%s, %s, %s) RETURNING id",
            [user, body.text("title"), body.amount("price_ngn")],
        )
    metrics.gigs_created.inc()
    return JSONResponse({"id": gig}, 201)


async def list_gigs(request: Request) -> JSONResponse:
    async with services_of(request).pool.connection() as connection:
        return JSONResponse(await _rows(connection, _LIST_GIGS, [PAGE]))


async def complete_gig(request: Request) -> JSONResponse:
    async with services_of(request).pool.connection() as connection:
        user = await current_user(request, connection)
        query = (
            "UPDATE gigs SET completed_at = now() WHERE id = %s AND user_id = %s AND completed_at IS NULL"
            " RETURNING id, completed_at::text"
        )
        rows = await _rows(connection, query, [request.path_params["id"], user])
    if not rows:
        raise HTTPException(404, "no such open gig of yours")
    metrics.gigs_completed.inc()
    return JSONResponse(rows[0])


async def create_savings(request: Request) -> JSONResponse:
    body = await Body.of(request)
    amount = body.amount()
    async with services_of(request).pool.connection() as connection:
        user = await current_user(request, connection)
        saving = await _insert(
            connection, "INSERT INTO savings (user_id, amount_ngn) VALUES (%s, %s) RETURNING id", [user, amount]
        )
    metrics.savings_contributions.inc()
    metrics.savings_volume.inc(float(amount))
    return JSONResponse({"id": saving}, 201)


async def request_loan(request: Request) -> JSONResponse:
    body, services = await Body.of(request), services_of(request)
    amount = body.amount()
    async with services.pool.connection() as connection:
        user = await current_user(request, connection)
        loan = await _insert(
            connection, "INSERT INTO loans (user_id, amount_ngn) VALUES (%s, %s) RETURNING id", [user, amount]
        )
        job = await accept(connection, "disburse_loan", loan, services.settings.job_requeue_seconds)
    await services.queue.announce(job)
    return JSONResponse({"id": loan, "status": "requested"}, 202)


async def _rows(connection: Connection, query: str, values: list[Any] | None = None) -> list[dict[str, Any]]:
    return await (await connection.execute(query.encode(), values)).fetchall()


async def _insert(connection: Connection, query: str, values: list[Any]) -> int:
    return int((await _rows(connection, query, values))[0]["id"])


ROUTES = [
    Route("/api/v1/registrations", register, methods=["POST"]),
    Route("/api/v1/me", show_me, methods=["GET"]),
    Route("/api/v1/transactions", create_transaction, methods=["POST"]),
    Route("/api/v1/transactions", list_transactions, methods=["GET"]),
    Route("/api/v1/transactions/{id:int}", show_transaction, methods=["GET"]),
    Route("/api/v1/gigs", create_gig, methods=["POST"]),
    Route("/api/v1/gigs", list_gigs, methods=["GET"]),
    Route("/api/v1/gigs/{id:int}/completion", complete_gig, methods=["POST"]),
    Route("/api/v1/savings", create_savings, methods=["POST"]),
    Route("/api/v1/loans", request_loan, methods=["POST"]),
]
