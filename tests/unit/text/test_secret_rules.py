from __future__ import annotations

import pytest
from ansible_collections.hustlex.platform.plugins.module_utils.text.secret_rules import (
    SecretsError,
    check,
    entropy_bits,
    generate,
)

KEYS = ["JWT_SECRET", "DB_PASSWORD", "REDIS_PASSWORD", "PAYSTACK_SECRET_KEY", "TERMII_API_KEY"]
GOOD = {key: generate(key, 24) for key in KEYS} | {"PAYSTACK_SECRET_KEY": "sk_live_" + "0a1b2c3d4e5f" * 3 + "9x"}


def test_good_values_pass() -> None:
    check(GOOD, KEYS)


@pytest.mark.parametrize("key", KEYS)
def test_generated_values_pass_outside_production(key: str) -> None:
    for _attempt in range(200):
        check({key: generate(key, 24)}, [key], "development")


@pytest.mark.parametrize(
    "value",
    ["your-secret", "your-db-password", "YOUR_KEY", "changeme", "change-me-please", "sk_live_xxx", "xxx", "XXXX",
     "<token>", "${DB_PASSWORD}", "{{ db_password }}", "secret", "Password", "replace_me", "example", "example-key",
     "****",
     "..."],
)  # fmt: skip
def test_placeholders_are_refused_in_every_environment(value: str) -> None:
    for key in KEYS:
        with pytest.raises(SecretsError, match=f"{key} is a placeholder"):
            check({key: value}, [key], "development", allow_weak=True)


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        ("DB_PASSWORD", None, "is missing"),
        ("DB_PASSWORD", "", "is empty"),
        ("DB_PASSWORD", "  ", "is empty"),
        ("DB_PASSWORD", 12345678901234567, "is not text"),
        ("DB_PASSWORD", "aB3$kz81Qm_0v-PwX\n", "control character"),
        ("DB_PASSWORD", "aB3$kz81Qm\x1b0v-PwX", "control character"),
        ("DB_PASSWORD", "aB3$kz81Qm0v-PwX ", "begins or ends with a blank"),
        ("DB_PASSWORD", "aB3$kz81Qm", "shorter than 15 bytes"),
        ("DB_PASSWORD", "aaaaaaaaaaaaaaaaaaaa", "easy to guess"),
        ("DB_PASSWORD", "abcdefghijklmnopqrstuvwxyz", "easy to guess"),
        ("JWT_SECRET", "aB3$kz81Qm0v-PwX", "shorter than 32 bytes"),
        ("JWT_SECRET", "hustlex-" * 6, "easy to guess"),
        ("JWT_SECRET", "11112222333344445555111122223333", "easy to guess"),
        ("PAYSTACK_SECRET_KEY", "pk_live_0a1b2c3d4e5f0a1b2c3d4e5f", "no Paystack secret key"),
        ("PAYSTACK_SECRET_KEY", "sk_test_0a1b2c3d4e5f0a1b2c3d4e5f", "is a test key"),
    ],
)
def test_each_fault_is_named_without_the_value(key: str, value: object, problem: str) -> None:
    with pytest.raises(SecretsError, match=problem) as caught:
        check(GOOD | {key: value}, KEYS)
    assert str(value) not in str(caught.value) or not str(value).strip() or value is None


def test_all_faults_are_named_at_once() -> None:
    with pytest.raises(SecretsError) as caught:
        check({"JWT_SECRET": "short", "DB_PASSWORD": "changeme", "PAYSTACK_SECRET_KEY": ""}, KEYS)
    message = str(caught.value)
    assert all(key in message for key in KEYS)
    assert message.count(".") == message.count("7518, 3.2") + 1


def test_weak_values_pass_where_allowed() -> None:
    check(
        {"DB_PASSWORD": "hustlex", "JWT_SECRET": "abc"}, ["DB_PASSWORD", "JWT_SECRET"], "development", allow_weak=True
    )


def test_entropy_estimate() -> None:
    assert entropy_bits("") == entropy_bits("a") == entropy_bits("abab") == 0
    assert entropy_bits("0123456789") == 0
    assert entropy_bits("aB3$kz81") == pytest.approx(24)


def test_too_few_random_bytes_are_refused() -> None:
    with pytest.raises(SecretsError, match="20 random bytes"):
        generate("DB_PASSWORD", 8)
