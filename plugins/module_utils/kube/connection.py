# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A client for what takes longer than a login lasts: the credentials of a login command are good for minutes only."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Any, TypeVar

from .client import Client
from .errors import ApiError

_T = TypeVar("_T")


class Connection:
    """Logs in when it is used first, and again whenever its credentials are refused; connect logs in."""

    def __init__(self, connect: Callable[[], Client]) -> None:
        self._connect = connect
        self._client: Client | None = None

    def client(self) -> Client:
        self._client = self._client or self._connect()
        return self._client

    def use(self, act: Callable[[Client], _T]) -> _T:
        """What act, which may be repeated, gives. Raises KubeError, as it does."""
        try:
            return act(self.client())
        except ApiError as error:
            if error.status != HTTPStatus.UNAUTHORIZED:
                raise
            self._client = None
            return act(self.client())

    def ask(self, path: str, timeout: float = 10.0, **request: Any) -> tuple[int, bytes]:
        """As Client.ask. A 401 that stays is that of what is behind the API server's proxy."""
        status, answer = self.client().ask(path, timeout, **request)
        if status != HTTPStatus.UNAUTHORIZED:
            return status, answer
        self._client = None
        return self.client().ask(path, timeout, **request)
