"""Which release a rollback gets, and which it is refused."""

import pytest
from ansible_collections.hustlex.platform.plugins.action.release_info import _asked_for
from ansible_collections.hustlex.platform.plugins.module_utils.kube.errors import KubeError
from ansible_collections.hustlex.platform.plugins.module_utils.release.record import Release


def release(number: int, reason: str = "") -> Release:
    return Release(
        number=number, kind="deploy", version=f"v{number}", reported="", image="", content=str(number),
        result="failed" if reason else "good", reason=reason, started="", finished="", seconds=1, who="",
    )  # fmt: skip


RELEASES = [release(3), release(2, "Pod x crashes."), release(1)]


def test_a_good_release_is_given_by_its_number() -> None:
    assert _asked_for(RELEASES, {"number": 1, "which": None}) == release(1)


def test_a_failed_release_is_refused_with_its_reason() -> None:
    with pytest.raises(KubeError) as caught:
        _asked_for(RELEASES, {"number": 2, "which": None})
    assert str(caught.value) == (
        "Release 2 (v2) failed and is not rolled out again: Pod x crashes. Choose a good one: playbooks/history.yml lists them."
    )
