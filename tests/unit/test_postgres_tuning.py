import re

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.hustlex.platform.plugins.filter.postgres_tuning import postgres_tuning
from ansible_collections.hustlex.platform.plugins.module_utils.postgres.tuning import (
    GIB,
    MIB,
    Machine,
    TuningError,
    settings,
)
from hypothesis import given
from hypothesis import strategies as st

UNITS = {"kB": 1024, "MB": MIB, "GB": GIB}
MACHINES = st.builds(
    Machine,
    memory=st.integers(128 * MIB, 1024 * GIB),
    cores=st.floats(0.05, 128),
    volume=st.integers(512 * MIB, 65536 * GIB),
    connections=st.one_of(st.just(0), st.integers(20, 5000)),
)


def in_bytes(value: str) -> int:
    match = re.fullmatch(r"(\d+)(kB|MB|GB)", value)
    assert match, value
    return int(match[1]) * UNITS[match[2]]


def test_the_guides_database_follows_the_sources() -> None:
    tuned = settings(Machine(memory=8 * GIB, cores=2, volume=100 * GIB))
    assert tuned == {
        "max_connections": "204",
        "shared_buffers": "2GB",
        "effective_cache_size": "6GB",
        "maintenance_work_mem": "512MB",
        "work_mem": "10280kB",
        "huge_pages": "off",
        "max_wal_size": "4GB",
        "min_wal_size": "1GB",
        "wal_keep_size": "1GB",
        "max_slot_wal_keep_size": "10GB",
        "max_worker_processes": "8",
        "max_parallel_workers": "2",
        "max_parallel_workers_per_gather": "1",
        "max_parallel_maintenance_workers": "1",
        "random_page_cost": "1.1",
        "effective_io_concurrency": "200",
    }


@given(MACHINES)
def test_memory_and_wal_fit_the_machine(machine: Machine) -> None:
    tuned = settings(machine)
    assert in_bytes(tuned["shared_buffers"]) <= machine.memory // 4
    assert in_bytes(tuned["shared_buffers"]) < in_bytes(tuned["effective_cache_size"]) <= machine.memory
    assert in_bytes(tuned["maintenance_work_mem"]) <= machine.memory // 8
    assert MIB <= in_bytes(tuned["work_mem"]) <= 256 * MIB
    assert in_bytes(tuned["max_slot_wal_keep_size"]) + in_bytes(tuned["max_wal_size"]) <= machine.volume // 2
    assert 32 * MIB <= in_bytes(tuned["min_wal_size"]) < in_bytes(tuned["max_wal_size"])


@given(MACHINES, st.integers(1, 64))
def test_more_memory_never_lowers_a_limit(machine: Machine, factor: int) -> None:
    larger = settings(Machine(machine.memory * factor, machine.cores, machine.volume, machine.connections))
    tuned = settings(machine)
    for name in ("shared_buffers", "effective_cache_size", "maintenance_work_mem"):
        assert in_bytes(larger[name]) >= in_bytes(tuned[name])
    assert int(larger["max_connections"]) >= int(tuned["max_connections"])


@pytest.mark.parametrize(
    ("cores", "workers", "per_gather"), [(0.5, 1, 0), (1, 1, 0), (2, 2, 1), (5.5, 5, 2), (32, 32, 4)]
)
def test_parallel_workers_follow_the_cores(cores: float, workers: int, per_gather: int) -> None:
    tuned = settings(Machine(memory=GIB, cores=cores, volume=GIB))
    assert (tuned["max_parallel_workers"], tuned["max_parallel_workers_per_gather"]) == (str(workers), str(per_gather))


@pytest.mark.parametrize(
    ("machine", "sentence"),
    [
        (Machine(64 * MIB, 1, GIB), "at least 128Mi of memory"),
        (Machine(GIB, 0, GIB), "a part of a core"),
        (Machine(GIB, 1, MIB), "a volume of at least 512Mi"),
        (Machine(GIB, 1, GIB, 5), "5 connections are too few"),
        (Machine(GIB, 1, GIB, -1), "-1 connections are too few"),
    ],
)
def test_numbers_that_cannot_work_are_refused(machine: Machine, sentence: str) -> None:
    with pytest.raises(TuningError, match=sentence):
        settings(machine)


def test_the_filter_takes_limits_before_requests() -> None:
    resources = {"requests": {"cpu": "1", "memory": "4Gi"}, "limits": {"memory": "8Gi"}}
    tuned = postgres_tuning(resources, volume="100Gi", connections=77)
    assert (tuned["shared_buffers"], tuned["max_parallel_workers"], tuned["max_connections"]) == ("2GB", "1", "77")


@pytest.mark.parametrize(
    ("resources", "volume", "sentence"),
    [
        ({}, "1Gi", "resources without memory and cpu leave nothing to tune for"),
        ({"limits": {"cpu": 1}}, "1Gi", "resources without memory"),
        ({"limits": {"cpu": 1, "memory": "viel"}}, "1Gi", "'viel' is not a memory quantity"),
        ({"limits": {"cpu": 1, "memory": "1Gi"}}, "", "'' is not a memory quantity"),
    ],
)
def test_the_filter_says_what_is_wrong(resources: dict[str, dict[str, str]], volume: str, sentence: str) -> None:
    with pytest.raises(AnsibleFilterError, match=sentence):
        postgres_tuning(resources, volume=volume)
