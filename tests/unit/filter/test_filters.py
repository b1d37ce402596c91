from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.hustlex.platform.plugins.filter.checked_secrets import checked_secrets
from ansible_collections.hustlex.platform.plugins.filter.cpu_cores import cpu_cores
from ansible_collections.hustlex.platform.plugins.filter.cpu_quantity import cpu_quantity
from ansible_collections.hustlex.platform.plugins.filter.dotenv import dotenv
from ansible_collections.hustlex.platform.plugins.filter.memory_bytes import memory_bytes
from ansible_collections.hustlex.platform.plugins.filter.memory_quantity import memory_quantity


def test_results() -> None:
    assert dotenv("A=1") == {"A": "1"}
    assert checked_secrets({"A": "aB3$kz81Qm0v-PwX"}, ["A"]) == {"A": "aB3$kz81Qm0v-PwX"}
    assert memory_bytes("1Ki") == 1024
    assert memory_quantity(1024) == "1Ki"
    assert cpu_cores("250m") == 0.25
    assert cpu_quantity(0.25) == "250m"


def test_errors_are_one_sentence_for_people() -> None:
    with pytest.raises(
        AnsibleFilterError, match=r"The \.env text cannot be read: line 1: not of the form NAME=value\."
    ):
        dotenv("hunter2")
    with pytest.raises(AnsibleFilterError, match="dotenv reads text, not dict"):
        dotenv({})
    with pytest.raises(AnsibleFilterError, match="These secrets cannot be used: A is missing"):
        checked_secrets({}, ["A"])
    with pytest.raises(AnsibleFilterError, match="takes a dictionary, not str"):
        checked_secrets("A=1", ["A"])
    for filter_ in (memory_bytes, cpu_cores, cpu_quantity):
        with pytest.raises(AnsibleFilterError, match="'4GB' is not a"):
            filter_("4GB")
    with pytest.raises(AnsibleFilterError, match="-1 is not a number of bytes"):
        memory_quantity(-1)
