"""Reads what a client sent; answers 4xx with one sentence."""

import json
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Self

from starlette.exceptions import HTTPException
from starlette.requests import Request

from hustlex_api import tokens
from hustlex_api.jobs import Connection
from hustlex_api.services import Services

LARGEST_BODY = 16 * 1024
LARGEST_AMOUNT = Decimal(1_000_000_000)


def services_of(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


@dataclass(frozen=True)
class Body:
    values: dict[str, Any]

    @classmethod
    async def of(cls, request: Request) -> Self:
        raw = b""
        async for chunk in request.stream():
            raw += chunk
            if len(raw) > LARGEST_BODY:
                raise HTTPException(413, f"the body is larger than {LARGEST_BODY} bytes")
        try:
            values = json.loads(raw, parse_float=Decimal)
        except ValueError as error:
            raise HTTPException(400, "the body is no JSON") from error
        if not isinstance(values, dict):
            raise HTTPException(400, "the body must be a JSON object")
        return cls(values)

    def text(self, name: str, choices: tuple[str, ...] = ()) -> str:
        value = self.values.get(name)
        if not isinstance(value, str) or not 0 < len(value) <= 200 or "\0" in value:
            raise HTTPException(422, f"{name} must be a text of 1 to 200 characters")
        if choices and value not in choices:
            raise HTTPException(422, f"{name} must be one of {', '.join(choices)}")
        return value

    def amount(self, name: str = "amount_ngn") -> Decimal:
        value = self.values.get(name)
        try:
            amount = Decimal(str(value)) if not isinstance(value, bool) else Decimal(0)
        except InvalidOperation:
            amount = Decimal(0)
        if not (amount.is_finite() and 0 < amount <= LARGEST_AMOUNT and amount == round(amount, 2)):
            raise HTTPException(422, f"{name} must be a number of naira above 0 with at most two decimals")
        return amount


async def current_user(request: Request, connection: Connection) -> int:
    scheme, _space, token = request.headers.get("authorization", "").partition(" ")
    secret = services_of(request).settings.jwt_secret
    user = tokens.user_of(token, secret) if scheme.lower() == "bearer" else None
    if user is None:
        raise HTTPException(401, "a valid bearer token is needed: POST /api/v1/registrations gives one")
    row = await (
        await connection.execute(
            "SELECT last_seen_at < now() - interval '1 minute' AS away FROM users WHERE id = %s", [user]
        )
    ).fetchone()
    if row is None:
        raise HTTPException(401, "the user of this token does not exist")
    if row["away"]:
        await connection.execute("UPDATE users SET last_seen_at = now() WHERE id = %s", [user])
    return user
