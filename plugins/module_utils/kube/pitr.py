# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What may follow what in a recovery to a point in time: restored beside, swapped in, taken back, removed."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from . import volumes
from .client import Client
from .errors import KubeError
from .exchange import RECOVERY, Exchange, observe, remove_recovery
from .kinds import WELL_KNOWN
from .recovery_record import (
    MOVING,
    RESTORED,
    RESTORING,
    REVERTED,
    REVERTING,
    SWAPPED,
    SWAPPING,
    RecoveryRecord,
)
from .removal import remove

CLAIM = "postgres-recovery"
JOBS = WELL_KNOWN["batch/v1", "Job"]


@dataclass(frozen=True)
class Wanted:
    """A plan as the controller made it; `plan` is its JSON form."""

    target: str
    digest: str
    plan: dict[str, Any]


def command(action: str, environment: str) -> str:
    """What a person types to swap, revert or remove."""
    return f"ansible-playbook playbooks/pitr.yml -i inventories/{environment} -e {action}=true -e confirm={environment}"


def check_idle(record: RecoveryRecord | None, target: str, environment: str = "<environment>") -> None:
    """Refuse a new recovery while another one is there that is not done with."""
    if record is None or record.state in (SWAPPED, REVERTED):
        return
    if record.state in MOVING:
        again = "revert" if record.state == REVERTING else "swap"
        step = record.exchange.step if record.exchange else ""
        raise KubeError(
            f"The volumes of a recovery to {record.target} are being exchanged (step {step}): finish that with"
            f" `{command(again, environment)}`."
        )
    if record.target != target:
        raise KubeError(
            f"A recovery to {record.target} is {record.state} already: swap it in (-e swap=true), or remove it"
            " (-e remove=true), before another one begins."
        )


def begin(record: RecoveryRecord | None, wanted: Wanted, now: datetime) -> RecoveryRecord:
    """The record to write before the restore; the same plan goes on where it was."""
    check_idle(record, wanted.target)
    if record is not None and record.state in (RESTORING, RESTORED):
        if record.digest != wanted.digest:
            raise KubeError(
                f"The archive no longer gives the plan that the recovery to {wanted.target} began with: remove it"
                " (-e remove=true) and begin again."
            )
        return record
    name = now.astimezone(UTC).strftime("%Y%m%dt%H%M%Sz")
    return RecoveryRecord(RESTORING, name, wanted.target, wanted.digest, wanted.plan)


def restored(record: RecoveryRecord | None, report: Mapping[str, Any]) -> RecoveryRecord:
    """The record after the restore Job proved the copy."""
    if record is None or record.state not in (RESTORING, RESTORED) or report.get("digest") != record.digest:
        raise KubeError("The report is not of the recovery that is recorded: run the recovery again.")
    return replace(record, state=RESTORED, report=dict(report))


def check_confirmed(confirm: str, environment: str, what: str) -> None:
    if confirm != environment:
        given = f", not {confirm}" if confirm else ""
        raise KubeError(f"{what} in the {environment} environment: add -e confirm={environment}{given}.")


def begin_swap(
    client: Client, namespace: str, record: RecoveryRecord | None, used_timelines: Collection[int]
) -> RecoveryRecord:
    """The record with which the swap begins, or goes on.

    used_timelines: those that the archive knows; the restored copy's own must not be among them.
    """
    if record is not None and record.state == SWAPPING:
        return record
    if record is None or record.state != RESTORED:
        state = f"the recovery to {record.target} is {record.state}" if record else "there is none"
        raise KubeError(f"No recovery is ready to be swapped in ({state}): restore with -e target=<time> first.")
    timeline = int(record.report["timeline"])
    if timeline in used_timelines:
        raise KubeError(
            f"The database went to timeline {timeline} itself since the copy was made, and the copy would archive over it:"
            " remove the copy (-e remove=true) and recover again."
        )
    exchange = observe(client, namespace, CLAIM, f"postgres-before-{record.id}")
    return replace(record, state=SWAPPING, exchange=exchange)


def begin_revert(client: Client, namespace: str, record: RecoveryRecord | None) -> RecoveryRecord:
    """The record with which the way back begins, or goes on."""
    if record is not None and record.state == REVERTING:
        return record
    if record is None or record.state != SWAPPED:
        state = f"the recovery to {record.target} is {record.state}" if record else "there was no recovery"
        raise KubeError(f"There is nothing to revert: {state}.")
    if not volumes.volume_of(client, namespace, record.kept):
        raise KubeError(f"The way back is gone: PersistentVolumeClaim {record.kept} does not exist any more.")
    exchange = observe(client, namespace, record.kept, f"postgres-swapped-{record.id}")
    return replace(record, state=REVERTING, exchange=exchange)


def finished(record: RecoveryRecord) -> RecoveryRecord:
    """The record after all steps of its exchange; the volume that was taken out is the way back."""
    state = SWAPPED if record.state == SWAPPING else REVERTED
    exchange = exchange_of(record)
    return replace(record, state=state, kept=exchange.kept_claim if exchange.outgoing else "")


def exchange_of(record: RecoveryRecord) -> Exchange:
    """The exchange of volumes that a swap or its reversal recorded."""
    if record.exchange is None:
        raise KubeError(f"The record of the recovery to {record.target} is {record.state}, but names no volumes.")
    return record.exchange


def discard(client: Client, namespace: str, record: RecoveryRecord | None) -> list[str]:
    """Remove what is left of a recovery; the claims that went, with their data.

    A recovery that was swapped in or taken back leaves the volume that it took out, which goes, too.
    """
    if record is not None:
        if record.state in MOVING:
            check_idle(record, record.target)
        remove(client, JOBS, namespace, RECOVERY)
        remove_recovery(client, namespace)
    claims = [CLAIM, record.kept] if record is not None and record.kept else [CLAIM]
    gone = [claim for claim in claims if client.find(volumes.CLAIMS, namespace, claim) is not None]
    for claim in gone:
        remove(client, volumes.CLAIMS, namespace, claim)
    if record is not None:
        remove(client, WELL_KNOWN["v1", "ConfigMap"], namespace, RECOVERY)
    return gone
