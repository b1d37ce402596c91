# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""PostgreSQL settings for the memory, cores and volume that a container gets.

Sources, named at each rule: the PostgreSQL manual (19.4 resource consumption, 19.5 write ahead log, 19.7 query planning),
PGTune (https://github.com/le0pard/pgtune, type "web", storage "ssd") and Kubernetes' accounting of memory.
"""

from __future__ import annotations

from dataclasses import dataclass

MIB = 1024**2
GIB = 1024**3
SEGMENT = 16 * MIB

SMALLEST_MEMORY = 128 * MIB
SMALLEST_VOLUME = 512 * MIB


class TuningError(ValueError):
    """PostgreSQL cannot run well, or at all, with these numbers."""


@dataclass(frozen=True)
class Machine:
    """What one database container gets: bytes, cores, bytes."""

    memory: int
    cores: float
    volume: int
    connections: int = 0


def _between(low: int, value: int, high: int) -> int:
    return max(low, min(value, high))


def _size(count: int) -> str:
    """Bytes in the largest unit of postgresql.conf that keeps them exact, rounded down to kB."""
    kilobytes = count // 1024
    for unit, factor in (("GB", 1024**2), ("MB", 1024)):
        if kilobytes and kilobytes % factor == 0:
            return f"{kilobytes // factor}{unit}"
    return f"{kilobytes}kB"


def _whole(count: int, unit: int) -> int:
    return max(unit, count // unit * unit)


def connections(memory: int) -> int:
    """One connection for each 40 MiB, 50 to 500: a backend takes about 10 MiB before its first sort, and a pooler shares them."""
    return _between(50, memory // (40 * MIB), 500)


def memory_settings(machine: Machine, max_connections: int, parallel_per_gather: int) -> dict[str, str]:
    # Manual 19.4.1: 25 % of memory is a reasonable start, more than 40 % rarely helps.
    shared_buffers = _whole(machine.memory // 4, MIB)
    # Manual 19.7.2 counts what the page cache holds too; the container's limit covers both. PGTune: three quarters.
    effective_cache_size = _whole(machine.memory * 3 // 4, MIB)
    # PGTune: a sixteenth, at most 2 GB; autovacuum workers take it each.
    maintenance_work_mem = _between(16 * MIB, _whole(machine.memory // 16, MIB), 2 * GIB)
    # PGTune: what is left for three sorts or hashes in each connection, shared among the parallel workers of a query.
    each = (machine.memory - shared_buffers) // (max_connections * 3) // max(1, parallel_per_gather)
    work_mem = _between(MIB, each, 256 * MIB)
    return {
        "shared_buffers": _size(shared_buffers),
        "effective_cache_size": _size(effective_cache_size),
        "maintenance_work_mem": _size(maintenance_work_mem),
        "work_mem": _size(work_mem),
        # A node with reserved huge pages that the container may not use ends "try" in SIGBUS.
        "huge_pages": "off",
    }


def wal_settings(volume: int) -> dict[str, str]:
    # PGTune: 1 to 4 GB for "web"; here at most a twentieth of the volume, so that a small one cannot fill with WAL.
    max_wal_size = _between(4 * SEGMENT, _whole(volume // 20, SEGMENT), 4 * GIB)
    # A standby that is away may hold back a tenth of the volume, then it loses its slot and is copied anew.
    max_slot_wal_keep_size = _between(8 * SEGMENT, _whole(volume // 10, SEGMENT), 64 * GIB)
    # What pg_rewind reads to turn an old primary into a standby: back to the checkpoint before the two parted.
    wal_keep_size = _between(4 * SEGMENT, _whole(max_wal_size // 2, SEGMENT), GIB)
    return {
        "max_wal_size": _size(max_wal_size),
        "min_wal_size": _size(_between(2 * SEGMENT, _whole(max_wal_size // 4, SEGMENT), GIB)),
        "wal_keep_size": _size(wal_keep_size),
        "max_slot_wal_keep_size": _size(max_slot_wal_keep_size),
    }


def parallel_per_gather(cores: float) -> int:
    """PGTune: half of the cores, at most four; none where two processes would share one core."""
    return min(4, int(cores) // 2) if cores >= 2 else 0


def parallel_settings(cores: float) -> dict[str, str]:
    whole = max(1, int(cores))
    return {
        "max_worker_processes": str(max(8, whole + 4)),
        "max_parallel_workers": str(whole),
        "max_parallel_workers_per_gather": str(parallel_per_gather(cores)),
        "max_parallel_maintenance_workers": str(parallel_per_gather(cores)),
    }


def settings(machine: Machine) -> dict[str, str]:
    """Every setting that follows from the machine, as postgresql.conf writes it."""
    if machine.memory < SMALLEST_MEMORY:
        raise TuningError(f"PostgreSQL needs at least 128Mi of memory, not {machine.memory} bytes")
    if machine.cores <= 0:
        raise TuningError(f"PostgreSQL needs a part of a core, not {machine.cores:g}")
    if machine.volume < SMALLEST_VOLUME:
        raise TuningError(f"PostgreSQL needs a volume of at least 512Mi, not {machine.volume} bytes")
    if machine.connections < 0 or 0 < machine.connections < 20:
        raise TuningError(
            f"{machine.connections} connections are too few: 0 lets the memory decide, else give at least 20"
        )
    max_connections = machine.connections or connections(machine.memory)
    per_gather = parallel_per_gather(machine.cores)
    return {
        "max_connections": str(max_connections),
        **memory_settings(machine, max_connections, per_gather),
        **wal_settings(machine.volume),
        **parallel_settings(machine.cores),
        # PGTune for SSD: a random page costs about as much as the next one, and many reads may wait at once.
        "random_page_cost": "1.1",
        "effective_io_concurrency": "200",
    }
