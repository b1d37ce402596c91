"""Credentials of a login command last minutes: what waits for longer logs in again."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from ansible_collections.hustlex.platform.plugins.module_utils.kube.connection import Connection
from ansible_collections.hustlex.platform.plugins.module_utils.kube.errors import ApiError, ConfigError
from ansible_collections.hustlex.platform.plugins.module_utils.kube.lease import Keeper, LeaseLostError, keeper_on

HELD = {"name": "op", "holder": "ada", "seconds": 60}


class Cluster:
    """Takes the newest login alone, once `expire` was called; notes who renewed the lease."""

    def __init__(self) -> None:
        self.logins = self.valid = 0
        self.holder = "ada"
        self.renewed_by: list[int] = []
        self.refuses_all = False

    def connect(self) -> Any:
        self.logins += 1
        self.valid = self.valid or self.logins
        return User(self, self.logins)

    def expire(self) -> None:
        self.valid = self.logins + 1


class User:
    def __init__(self, cluster: Cluster, login: int) -> None:
        self.cluster, self.login = cluster, login

    @property
    def is_known(self) -> bool:
        return self.login == self.cluster.valid and not self.cluster.refuses_all

    def now(self) -> Any:
        return datetime(2026, 11, 25, tzinfo=UTC)

    def find(self, *_where: Any) -> dict[str, Any]:
        if not self.is_known:
            raise ApiError("The API server does not accept these credentials.", 401)
        return {"metadata": {"resourceVersion": "1"}, "spec": {"holderIdentity": self.cluster.holder}}

    def merge(self, *_change: Any) -> None:
        self.cluster.renewed_by.append(self.login)

    def ask(self, path: str, _timeout: float) -> tuple[int, bytes]:
        return (200, path.encode()) if self.is_known else (401, b"")


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


def test_a_lease_is_kept_beyond_the_life_of_the_credentials(cluster: Cluster) -> None:
    connection, now = Connection(cluster.connect), [0.0]
    keeper = Keeper("hustlex", HELD, clock=lambda: now[0])
    keeper.beat_on(connection)
    cluster.expire()
    now[0] = 21.0
    keeper.beat_on(connection)
    assert cluster.renewed_by == [1, 2]


def test_credentials_that_nobody_renews_do_not_end_the_wait(cluster: Cluster) -> None:
    beat = keeper_on(Connection(cluster.connect), "hustlex", HELD)
    cluster.refuses_all = True
    beat()
    assert cluster.renewed_by == []


def test_a_lost_lease_ends_the_wait(cluster: Cluster) -> None:
    beat = keeper_on(Connection(cluster.connect), "hustlex", HELD)
    cluster.holder = "bob"
    with pytest.raises(LeaseLostError, match="lost to bob"):
        beat()


def test_a_login_that_never_works_is_said_at_once() -> None:
    def connect() -> Any:
        raise ConfigError("The login command failed.")

    with pytest.raises(ConfigError):
        keeper_on(Connection(connect), "hustlex", HELD)


def test_without_a_lease_nobody_logs_in(cluster: Cluster) -> None:
    keeper_on(Connection(cluster.connect), "hustlex", None)()
    assert cluster.logins == 0


def test_a_question_is_asked_again_with_new_credentials(cluster: Cluster) -> None:
    connection = Connection(cluster.connect)
    assert connection.ask("/a") == (200, b"/a")
    cluster.expire()
    assert connection.ask("/b") == (200, b"/b")
    assert connection.ask("/c") == (200, b"/c")
    assert cluster.logins == 2


def test_what_is_behind_the_proxy_may_refuse_for_ever(cluster: Cluster) -> None:
    cluster.refuses_all = True
    assert Connection(cluster.connect).ask("/a") == (401, b"")
    assert cluster.logins == 2


def test_other_refusals_are_not_asked_again(cluster: Cluster) -> None:
    asked: list[Any] = []

    def act(client: Any) -> None:
        asked.append(client)
        raise ApiError("Not allowed.", 403)

    connection = Connection(cluster.connect)
    with pytest.raises(ApiError):
        connection.use(act)
    assert (len(asked), cluster.logins) == (1, 1)
