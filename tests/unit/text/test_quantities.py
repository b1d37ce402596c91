from __future__ import annotations

import pytest
from ansible_collections.hustlex.platform.plugins.module_utils.text.quantities import (
    QuantityError,
    cpu_cores,
    cpu_millicores,
    cpu_quantity,
    memory_bytes,
    memory_quantity,
)
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("quantity", "expected"),
    [
        ("4Gi", 4 * 2**30),
        ("1.5Gi", 3 * 2**29),
        (".5Ki", 512),
        ("128974848", 128974848),
        ("129e6", 129_000_000),
        ("129E6", 129_000_000),
        ("129M", 129_000_000),
        ("128974848000m", 128974848),
        ("1E", 10**18),
        ("1m", 1),
        ("0", 0),
        (7, 7),
        (1.2, 2),
    ],
)
def test_memory_is_read_as_kubernetes_reads_it(quantity: object, expected: int) -> None:
    assert memory_bytes(quantity) == expected


@pytest.mark.parametrize(("quantity", "expected"), [("500m", 500), ("2", 2000), (0.1, 100), ("1500u", 2), ("1n", 1)])
def test_cpu_is_rounded_up_to_a_thousandth(quantity: object, expected: int) -> None:
    assert cpu_millicores(quantity) == expected
    assert cpu_cores(quantity) == expected / 1000


@pytest.mark.parametrize("quantity", ["", "4GB", "4 Gi", "-1", "Gi", "1.2.3", "1e", "four", True, None, "16Ei", "nan"])
def test_anything_else_is_refused(quantity: object) -> None:
    with pytest.raises(QuantityError):
        memory_bytes(quantity)


@pytest.mark.parametrize("count", [-1, True, 2**63, 1.5])
def test_only_a_number_of_bytes_becomes_a_quantity(count: int) -> None:
    with pytest.raises(QuantityError):
        memory_quantity(count)


@given(st.integers(0, 2**63 - 1))
def test_bytes_survive_the_way_to_a_quantity_and_back(count: int) -> None:
    assert memory_bytes(memory_quantity(count)) == count


@given(st.integers(1, 2**20), st.sampled_from(["Ki", "Mi", "Gi", "Ti"]))
def test_whole_units_are_kept(count: int, unit: str) -> None:
    assert memory_bytes(memory_quantity(memory_bytes(f"{count}{unit}"))) == memory_bytes(f"{count}{unit}")
    assert len(memory_quantity(memory_bytes(f"{count}{unit}"))) <= len(f"{count}{unit}")


@given(st.integers(0, 10**9))
def test_cores_survive_the_way_to_a_quantity_and_back(millicores: int) -> None:
    assert cpu_millicores(cpu_quantity(f"{millicores}m")) == millicores
