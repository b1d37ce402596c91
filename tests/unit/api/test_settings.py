import pytest
from hustlex_api.errors import ConfigurationError
from hustlex_api.settings import read_base, read_settings

COMPLETE = {
    "ENV": "development",
    "DB_HOST": "postgres",
    "DB_PASSWORD": "secret-db",
    "REDIS_HOST": "redis",
    "REDIS_PASSWORD": "secret-redis",
    "JWT_SECRET": "secret-jwt",
    "PAYSTACK_SECRET_KEY": "secret-paystack",
    "TERMII_API_KEY": "secret-termii",
}


def problem(**changes: str) -> str:
    with pytest.raises(ConfigurationError) as error:
        read_settings({**COMPLETE, **changes})
    return str(error.value)


def test_defaults() -> None:
    settings = read_settings(COMPLETE)
    assert (settings.port, settings.worker_port, settings.database.port, settings.redis.port) == (
        8080,
        8081,
        5432,
        6379,
    )
    assert (settings.database.user, settings.database.name) == ("hustlex", "hustlex")
    assert settings.database.prepare_threshold is None
    assert settings.redis.user is None


def test_migrations_need_the_database_only() -> None:
    base = read_base({"ENV": "production", "DB_HOST": "postgres", "DB_PASSWORD": "x", "DB_USER": "hustlex_owner"})
    assert base.database.user == "hustlex_owner"


def test_all_problems_are_named_at_once() -> None:
    with pytest.raises(ConfigurationError) as error:
        read_settings({"ENV": "live", "PORT": "web", "LOG_LEVEL": "loud", "DB_HOST": " "})
    assert str(error.value) == (
        "configuration: ENV must be one of development, test, staging, production, not 'live'; "
        "LOG_LEVEL must be one of debug, info, warning, error, not 'loud'; "
        "DB_HOST is missing or empty; DB_PASSWORD is missing or empty; "
        "PORT must be a whole number from 1 to 65535, not 'web'; "
        "REDIS_HOST is missing or empty; REDIS_PASSWORD is missing or empty; JWT_SECRET is missing or empty; "
        "PAYSTACK_SECRET_KEY is missing or empty; TERMII_API_KEY is missing or empty"
    )


@pytest.mark.parametrize("name", [name for name in COMPLETE if name != "ENV"])
def test_every_variable_is_required(name: str) -> None:
    assert problem(**{name: ""}) == f"configuration: {name} is missing or empty"


@pytest.mark.parametrize("port", ["0", "65536", "-1", "1e9", "nan", "inf", "80.5"])
def test_a_port_out_of_range(port: str) -> None:
    assert problem(DB_PORT=port) == f"configuration: DB_PORT must be a whole number from 1 to 65535, not {port!r}"


def test_blanks_belong_to_a_password() -> None:
    assert read_settings({**COMPLETE, "DB_PASSWORD": " a b "}).database.password == " a b "


def test_secrets_are_not_shown() -> None:
    assert "secret" not in repr(read_settings(COMPLETE))


def test_fault_switches() -> None:
    settings = read_settings({**COMPLETE, "FAULT_SLOW_SECONDS": "0.5", "FAULT_NEVER_READY": ""})
    assert settings.faults.slow_seconds == 0.5
    assert not settings.faults.never_ready


@pytest.mark.parametrize("value", ["1", "0", "yes"])
def test_fault_switches_are_refused_in_production(value: str) -> None:
    assert problem(ENV="production", FAULT_CRASH_AT_START=value) == (
        "configuration: fault switches are refused where ENV=production, remove FAULT_CRASH_AT_START"
    )


def test_a_mistyped_fault_switch_is_named() -> None:
    assert problem(FAULT_SLOW="1").startswith("configuration: FAULT_SLOW is no fault switch, known are FAULT_CRASH_A")
    assert problem(FAULT_SLOW_SECONDS="a") == "configuration: FAULT_SLOW_SECONDS must be a number, not 'a'"


SLOW = "FAULT_SLOW_SECONDS=1.5 FAULT_SLOW_AFTER_SECONDS=60"


def test_a_variable_overrides_a_switch_that_is_built_in() -> None:
    faults = read_settings({**COMPLETE, "FAULTS": SLOW, "FAULT_SLOW_AFTER_SECONDS": "5"}).faults
    assert (faults.slow_seconds, faults.slow_after_seconds) == (1.5, 5)
    assert read_settings({**COMPLETE, "FAULTS": SLOW, "FAULT_SLOW_SECONDS": "0"}).faults.slow_seconds == 0
    assert read_settings({**COMPLETE, "FAULTS": ""}).faults == read_settings(COMPLETE).faults


def test_built_in_switches_are_refused_in_production_whatever_overrides_them() -> None:
    assert problem(ENV="production", FAULTS=SLOW, FAULT_SLOW_SECONDS="0") == (
        "configuration: this image has FAULT_SLOW_AFTER_SECONDS, FAULT_SLOW_SECONDS built in "
        "and is refused where ENV=production; "
        "fault switches are refused where ENV=production, remove FAULT_SLOW_SECONDS"
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("FAULT_SLOW_SECONDS", "FAULT_SLOW_SECONDS must be a number, not ''"),
        ("SLOW_SECONDS=1", "SLOW_SECONDS is no fault switch"),
    ],
)
def test_a_mistyped_switch_that_is_built_in_is_named(words: str, said: str) -> None:
    assert said in problem(FAULTS=words)
