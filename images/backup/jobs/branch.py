# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Lets a stopped primary go on, on a timeline that the archive does not know.

Data that was swapped out and comes back is on an old timeline: its next promotion would give the number of the timeline
that ran meanwhile a second time, and archive over it.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from backup.catalogue import read_catalogue
from backup.errors import BackupError
from backup.storage import Store

from .instance import Instance, control_data
from .progress import say
from .settings import Settings
from .target_volume import TargetVolume

SILENCE_SECONDS = 600


def branch(
    settings: Settings, store: Store, volume: TargetVolume, timeout: float, config: Path, socket: Path, wrapper: str
) -> dict[str, Any]:
    """The timeline that the data is on now, above all that the archive knows."""
    now = datetime.now(UTC)
    archive = read_catalogue(store, now, stanza=settings.stanza, segment_bytes=settings.wal_segment_bytes).archive
    used = {*archive.timelines, *archive.history_files}
    with volume.locked() as lock:
        (volume.data / "postmaster.pid").unlink(missing_ok=True)
        before = timeline_of(volume)
        if is_own(before, used):
            say(f"timeline {before} is its own already")
            return {"from_timeline": before, "timeline": before}
        files = archive.history_files
        lines = [f"{files[number].sha1}  {files[number].name}" for number in sorted(files)]
        volume.wal_plan.write_text("\n".join(lines) + "\n")
        (volume.data / "recovery.signal").touch()
        instance = Instance(volume.data, config, socket, volume.log, inherit=[lock])
        try:
            instance.start(
                hot_standby="off",
                restore_command=f"{wrapper} {volume.wal_plan} %f %p",
                recovery_target_timeline="current",
            )
            instance.wait(timeout, SILENCE_SECONDS, lambda _line: None)
            instance.sql("CHECKPOINT")
            instance.stop()
        finally:
            instance.kill()
        after = timeline_of(volume)
    if not is_own(after, used):
        raise BackupError(
            f"The data went to timeline {after}, which the archive knows already: a history file before it is missing there."
        )
    say(f"the data went from timeline {before} to timeline {after}")
    return {"from_timeline": before, "timeline": after}


def is_own(timeline: int, used: Collection[int]) -> bool:
    """Whether no other data has archived anything on this timeline or a later one."""
    return timeline > max(used, default=0)


def timeline_of(volume: TargetVolume) -> int:
    return int(control_data(volume.data)["Latest checkpoint's TimeLineID"])
