"""What may follow what in a recovery."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from ansible_collections.hustlex.platform.plugins.module_utils.kube import pitr
from ansible_collections.hustlex.platform.plugins.module_utils.kube.errors import KubeError
from ansible_collections.hustlex.platform.plugins.module_utils.kube.exchange import Exchange
from ansible_collections.hustlex.platform.plugins.module_utils.kube.recovery_record import RecoveryRecord

from .cluster_double import ClusterDouble

NOW = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
WANTED = pitr.Wanted("2026-11-24T02:00:00Z", "d1", {"last_segment": "x"})
EXCHANGE = Exchange("new", "postgres-recovery", "old", "postgres-data-postgres-0", "postgres-before-1", step="bind")
RECORD = RecoveryRecord("restoring", "1", WANTED.target, "d1", WANTED.plan)
REPORT = {"digest": "d1", "timeline": 2}


def in_state(state: str, **changes: Any) -> RecoveryRecord:
    return replace(RECORD, state=state, **changes)


def test_a_recovery_begins_and_goes_on() -> None:
    begun = pitr.begin(None, WANTED, NOW)
    assert (begun.state, begun.id, begun.plan) == ("restoring", "20261124t030000z", WANTED.plan)
    assert pitr.begin(begun, WANTED, NOW) is begun
    done = pitr.restored(begun, REPORT)
    assert done.state == "restored"
    assert pitr.begin(done, WANTED, NOW) is done
    assert pitr.begin(in_state("swapped"), WANTED, NOW).state == "restoring"


@pytest.mark.parametrize(
    ("record", "wanted", "words"),
    [
        (in_state("restoring", target="latest"), WANTED, "A recovery to latest is restoring already"),
        (in_state("restored"), replace(WANTED, digest="d2"), "no longer gives the plan"),
        (
            in_state("swapping", exchange=EXCHANGE),
            WANTED,
            r"\(step bind\): finish that with `ansible-playbook .* -e swap=true",
        ),
        (in_state("reverting", exchange=EXCHANGE), WANTED, "-e revert=true"),
    ],
)
def test_one_recovery_at_a_time(record: RecoveryRecord, wanted: pitr.Wanted, words: str) -> None:
    with pytest.raises(KubeError, match=words):
        pitr.begin(record, wanted, NOW)


def test_a_report_of_another_recovery_is_refused() -> None:
    for record, report in ((None, REPORT), (RECORD, {"digest": "d2"}), (in_state("swapped"), REPORT)):
        with pytest.raises(KubeError, match="not of the recovery that is recorded"):
            pitr.restored(record, report)


def test_a_swap_needs_a_proved_copy_on_a_timeline_of_its_own() -> None:
    cluster: Any = ClusterDouble()
    for record in (None, RECORD, in_state("reverted")):
        with pytest.raises(KubeError, match="No recovery is ready to be swapped in"):
            pitr.begin_swap(cluster, "n", record, {1})
    with pytest.raises(KubeError, match="went to timeline 2 itself"):
        pitr.begin_swap(cluster, "n", in_state("restored", report=REPORT), {1, 2})
    under_way = in_state("swapping", exchange=EXCHANGE)
    assert pitr.begin_swap(cluster, "n", under_way, {1, 2}) is under_way


def test_the_way_back_needs_the_kept_volume() -> None:
    cluster: Any = ClusterDouble()
    for record in (None, RECORD, in_state("reverted")):
        with pytest.raises(KubeError, match="There is nothing to revert"):
            pitr.begin_revert(cluster, "n", record)
    with pytest.raises(KubeError, match="The way back is gone: PersistentVolumeClaim postgres-before-1"):
        pitr.begin_revert(cluster, "n", in_state("swapped", kept="postgres-before-1"))


def test_confirmation_names_the_environment() -> None:
    pitr.check_confirmed("production", "production", "This deletes")
    with pytest.raises(KubeError, match=r"in the production environment: add -e confirm=production\.$"):
        pitr.check_confirmed("", "production", "This deletes")
    with pytest.raises(KubeError, match="not development"):
        pitr.check_confirmed("development", "production", "This deletes")


def test_a_record_comes_back_as_it_was_written() -> None:
    cluster: Any = ClusterDouble()
    record = in_state("swapping", exchange=EXCHANGE, report=REPORT, kept="k")
    record.write(cluster, "n")
    assert RecoveryRecord.read(cluster, "n") == record
    cluster.objects["ConfigMap", "postgres-recovery"]["data"]["exchange"] = "{"
    with pytest.raises(KubeError, match="somebody edited it"):
        RecoveryRecord.read(cluster, "n")


def test_what_is_removed() -> None:
    cluster = ClusterDouble()
    for name in ("postgres-recovery", "postgres-before-1", "postgres-data-postgres-0"):
        cluster.add("PersistentVolumeClaim", name, spec={"volumeName": "v"})
    record = in_state("swapped", kept="postgres-before-1")
    record.write(cluster, "n")  # type: ignore[arg-type]
    assert pitr.discard(cluster, "n", record) == ["postgres-recovery", "postgres-before-1"]  # type: ignore[arg-type]
    assert [name for kind, name in cluster.objects if kind == "PersistentVolumeClaim"] == ["postgres-data-postgres-0"]
    assert ("ConfigMap", "postgres-recovery") not in cluster.objects
    with pytest.raises(KubeError, match="finish that"):
        pitr.discard(cluster, "n", in_state("swapping", exchange=EXCHANGE))  # type: ignore[arg-type]
