# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Controller's side of module pitr."""

from __future__ import annotations

import secrets
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ..module_utils.backup.errors import BackupError
from ..module_utils.kube import pitr, volumes
from ..module_utils.kube.client import Client
from ..module_utils.kube.errors import KubeError, MissingKubeconfigError, UnreachableError
from ..module_utils.kube.exchange import Exchange, Exchanger
from ..module_utils.kube.job import Order, run_job
from ..module_utils.kube.kinds import WELL_KNOWN
from ..module_utils.kube.lease import keeper
from ..module_utils.kube.recovery_record import MOVING, RESTORED, REVERTED, REVERTING, SWAPPED, RecoveryRecord
from ..module_utils.text.quantities import memory_bytes
from ..plugin_utils.connect import connect
from ..plugin_utils.options import COMMON_ARGUMENTS, validated
from ..plugin_utils.recovery_text import plan_lines, report_lines

if TYPE_CHECKING:
    from ..module_utils.backup.catalogue import Catalogue
    from ..module_utils.backup.recovery import RecoveryPlan

ARGUMENTS: dict[str, Any] = {
    **COMMON_ARGUMENTS,
    "state": {
        "type": "str",
        "choices": ["planned", "restored", "swapped", "reverted", "removed"],
        "default": "planned",
    },
    "target": {"type": "str", "default": ""},
    "timeline": {"type": "int"},
    "store": {"type": "dict", "default": {}},
    "stanza": {"type": "str", "default": "main"},
    "wal_segment_bytes": {"type": "int", "default": 16 * 1024 * 1024},
    "volume_size": {"type": "str", "default": ""},
    "restore_megabytes_per_second": {"type": "int", "default": 100},
    "replay_segments_per_second": {"type": "int", "default": 5},
    "report": {"type": "dict", "default": {}},
    "environment": {"type": "str", "default": ""},
    "confirm": {"type": "str", "default": ""},
    "branch_job": {"type": "dict", "default": {}},
    "base_cron_job": {"type": "str", "default": "postgres-base-backup"},
    "timeout": {"type": "int", "default": 3600},
    "lease": {"type": "dict"},
}
SPARE_BYTES = 256 * 1024 * 1024

display = Display()


class ActionModule(ActionBase):
    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        arguments = validated(self, ARGUMENTS)
        do = {
            "planned": self._plan,
            "restored": self._note_restored,
            "swapped": self._swap,
            "reverted": self._revert,
            "removed": self._remove,
        }[arguments["state"]]
        try:
            result.update(do(arguments))
        except (KubeError, BackupError) as error:
            result.update(failed=True, msg=str(error))
        except ImportError as error:  # boto3, which no other module needs
            result.update(failed=True, msg=f"Python package {error.name} is missing: pip install boto3.")
        return result

    def _plan(self, arguments: dict[str, Any]) -> dict[str, Any]:
        from ..module_utils.backup.recovery import Target

        target = Target.parse(arguments["target"])
        client = self._client_if_there(arguments)
        record = RecoveryRecord.read(client, arguments["namespace"]) if client else None
        pitr.check_idle(record, target.text, arguments["environment"])
        goes_on = record is not None and record.state not in (SWAPPED, REVERTED)
        agreed = _recovery_plan(arguments, target, record.plan if record is not None and goes_on else {})
        size, storage_class = self._volume(client, arguments)
        _check_size(size, agreed)
        lines = plan_lines(agreed.to_dict())
        display.display("\n".join(["", *lines, ""]))
        wanted = pitr.Wanted(target.text, agreed.digest(), agreed.to_dict())
        begun = pitr.begin(record, wanted, datetime.now(UTC))
        if client and not self._task.check_mode and begun != record:
            begun.write(client, arguments["namespace"])
        return {
            "changed": begun != record,
            "plan": agreed.to_dict(),
            "digest": agreed.digest(),
            "lines": lines,
            "recovery": begun.state,
            "report": begun.report,
            "volume": {"size": size, "storage_class": storage_class},
        }

    def _note_restored(self, arguments: dict[str, Any]) -> dict[str, Any]:
        client, namespace = connect(arguments), arguments["namespace"]
        record = RecoveryRecord.read(client, namespace)
        noted = pitr.restored(record, arguments["report"])
        if not self._task.check_mode and noted != record:
            noted.write(client, namespace)
        lines = report_lines(noted.report)
        display.display("\n".join(["", *lines, ""]))
        return {"changed": noted != record, "recovery": RESTORED, "report": noted.report, "lines": lines}

    def _swap(self, arguments: dict[str, Any]) -> dict[str, Any]:
        pitr.check_confirmed(arguments["confirm"], arguments["environment"], "The recovered data replaces the data")
        client, namespace = connect(arguments), arguments["namespace"]
        record = RecoveryRecord.read(client, namespace)
        if record is not None and record.state == SWAPPED:
            return self._moved(record, arguments["environment"], changed=False)
        archive = _catalogue(arguments, datetime.now(UTC)).archive
        used = {*archive.timelines, *archive.history_files} if record is None or record.state == RESTORED else set()
        return self._move(arguments, client, pitr.begin_swap(client, namespace, record, used))

    def _revert(self, arguments: dict[str, Any]) -> dict[str, Any]:
        pitr.check_confirmed(arguments["confirm"], arguments["environment"], "The data of before the swap comes back")
        client, namespace = connect(arguments), arguments["namespace"]
        record = RecoveryRecord.read(client, namespace)
        if record is not None and record.state == REVERTED:
            return self._moved(record, arguments["environment"], changed=False)
        if not arguments["branch_job"]:
            raise KubeError("State reverted needs option branch_job.")
        return self._move(arguments, client, pitr.begin_revert(client, namespace, record))

    def _move(self, arguments: dict[str, Any], client: Client, record: RecoveryRecord) -> dict[str, Any]:
        namespace = arguments["namespace"]
        recorded = replace(pitr.exchange_of(record), holder=secrets.token_hex(8))

        def save(exchange: Exchange) -> None:
            replace(record, exchange=exchange).write_held(client, namespace)

        renew = keeper(namespace, arguments["lease"])
        comes_back = record.state == REVERTING
        exchanger = Exchanger(
            client,
            namespace,
            recorded,
            save,
            lambda line: display.display(f"  {line}"),
            lambda: self._take_base(arguments),
            partial(self._branch, arguments, recorded.incoming_claim) if comes_back else None,
            beat=lambda: renew(client),
        )
        if self._task.check_mode:
            steps = [what for what, _do in exchanger.steps().values()]
            display.display("\n".join(["", "It would:", *(f"  {step}" for step in steps), ""]))
            return {"changed": True, "recovery": record.state, "steps": steps}
        replace(record, exchange=recorded).write(client, namespace)
        done = pitr.finished(replace(record, exchange=exchanger.run()))
        done.write_held(client, namespace)
        return self._moved(done, arguments["environment"], changed=True)

    def _take_base(self, arguments: dict[str, Any]) -> None:
        """A new timeline is only as safe as its first base backup."""
        order = Order(
            namespace=arguments["namespace"],
            name=f"{arguments['base_cron_job']}-after-recovery",
            cron_job=arguments["base_cron_job"],
            timeout=arguments["timeout"],
            leave_at_timeout=True,
            adopt_finished=True,
        )
        self._run(arguments, order, "The database runs again, but has no base backup of its new history yet")

    def _branch(self, arguments: dict[str, Any], claim: str) -> None:
        """What comes back must not archive over what ran meanwhile."""
        template = arguments["branch_job"]
        for volume in template["spec"]["template"]["spec"]["volumes"]:
            if volume["name"] == "data":
                volume["persistentVolumeClaim"] = {"claimName": claim}
        order = Order(arguments["namespace"], "postgres-recovery", template, timeout=arguments["timeout"])
        self._run(arguments, order, "The old data did not get a timeline of its own, so nothing was stopped")

    def _run(self, arguments: dict[str, Any], order: Order, otherwise: str) -> None:
        beat = keeper(arguments["namespace"], arguments["lease"])
        done = run_job(partial(connect, arguments), order, lambda line: display.display(f"     {line}"), beat=beat)
        if not done.succeeded:
            raise KubeError(f"{otherwise}: {done.reason} Mend that, then run this again.")

    def _moved(self, record: RecoveryRecord, environment: str, changed: bool) -> dict[str, Any]:
        lines = [
            f"The database is as of {record.target}."
            if record.state == SWAPPED
            else "The data of before the swap is back."
        ]
        if record.kept:
            lines.append(f"The data that ran before is kept in PersistentVolumeClaim {record.kept}.")
        if record.state == SWAPPED and record.kept:
            lines.append(f"Way back: {pitr.command('revert', environment)}")
        if record.kept:
            lines.append(f"When it is no longer needed: {pitr.command('remove', environment)}")
        display.display("\n".join(["", *lines, ""]))
        return {
            "changed": changed,
            "recovery": record.state,
            "kept": record.kept,
            "lines": lines,
            "report": record.report,
        }

    def _remove(self, arguments: dict[str, Any]) -> dict[str, Any]:
        client, namespace = connect(arguments), arguments["namespace"]
        record = RecoveryRecord.read(client, namespace)
        if record is not None and record.state in MOVING:
            pitr.check_idle(record, record.target, arguments["environment"])
        if record is not None and record.kept:
            what = f"This deletes the data in PersistentVolumeClaim {record.kept}, the way back,"
            pitr.check_confirmed(arguments["confirm"], arguments["environment"], what)
        if self._task.check_mode:
            return {"changed": record is not None, "removed": []}
        gone = pitr.discard(client, namespace, record)
        return {"changed": record is not None or bool(gone), "removed": gone}

    def _client_if_there(self, arguments: dict[str, Any]) -> Client | None:
        """None in check mode when there is no cluster to ask: the plan needs the object store alone."""
        try:
            client = connect(arguments)
            client.version()
        except (MissingKubeconfigError, UnreachableError) as error:
            if not self._task.check_mode:
                raise
            display.warning(f"{error} The plan is made without it.")
            return None
        return client

    def _volume(self, client: Client | None, arguments: dict[str, Any]) -> tuple[str, str]:
        """Size and class of the volume to restore into: those of the database's own, unless a size is given."""
        if client is None:
            return arguments["volume_size"], ""
        namespace = arguments["namespace"]
        topology = client.find(WELL_KNOWN["v1", "ConfigMap"], namespace, "postgres-topology") or {}
        primary = (topology.get("data") or {}).get("primary", "postgres-0")
        claim = client.find(volumes.CLAIMS, namespace, f"postgres-data-{primary}")
        if claim is None:
            if not arguments["volume_size"]:
                raise KubeError(
                    f"PersistentVolumeClaim postgres-data-{primary} does not exist, so the size of the new volume is not"
                    " known: add -e backup_recovery_storage_size=<size>."
                )
            return arguments["volume_size"], ""
        spec = claim["spec"]
        size = arguments["volume_size"] or spec["resources"]["requests"]["storage"]
        return size, str(spec.get("storageClassName") or "")


def _catalogue(arguments: dict[str, Any], now: datetime) -> Catalogue:
    from ..module_utils.backup.catalogue import read_catalogue
    from ..module_utils.backup.storage import Store, StoreSettings

    store = Store(StoreSettings.from_mapping(arguments["store"]))
    return read_catalogue(store, now, stanza=arguments["stanza"], segment_bytes=arguments["wal_segment_bytes"])


def _recovery_plan(arguments: dict[str, Any], target: Any, earlier: dict[str, Any]) -> RecoveryPlan:
    """The plan; `earlier` is that of a recovery that goes on, whose base and end of WAL stay."""
    from ..module_utils.backup.recovery import Speed, plan

    now = datetime.now(UTC)
    return plan(
        _catalogue(arguments, now),
        target,
        now,
        timeline=arguments["timeline"],
        base=earlier.get("base", ""),
        last_segment=earlier.get("last_segment", ""),
        speed=Speed(arguments["restore_megabytes_per_second"], arguments["replay_segments_per_second"]),
    )


def _check_size(size: str, agreed: RecoveryPlan) -> None:
    needed = agreed.bytes + SPARE_BYTES
    if size and memory_bytes(size) < needed:
        raise KubeError(
            f"The volume would have {size}, but the recovery needs {needed / 2**30:.1f} GiB:"
            " add -e backup_recovery_storage_size=<size>."
        )
