"""Tokens of users, signed with JWT_SECRET."""

import time

import jwt

ALGORITHM = "HS256"


def issue(user: int, secret: str, seconds: int) -> str:
    now = int(time.time())
    return jwt.encode({"sub": str(user), "iat": now, "exp": now + seconds}, secret, ALGORITHM)


def user_of(token: str, secret: str) -> int | None:
    """None for a token that is expired, forged or not one at all."""
    try:
        return int(jwt.decode(token, secret, [ALGORITHM], options={"require": ["exp", "sub"]})["sub"])
    except (jwt.InvalidTokenError, ValueError):
        return None
