"""What a restore decides without a database: which entries it takes, which names it gives, what differs."""

from __future__ import annotations

import pytest
from backup.errors import RefusedError
from jobs.archive_list import Template, unknown_extensions, wanted
from jobs.databases import Names, backups_of, first_error, leftovers
from jobs.likeness import differences

TEMPLATE = Template("hustlex_owner", {"amcheck"}, {"public.bt_index_check"})


@pytest.mark.parametrize(
    ("entry", "taken"),
    [
        ("217; 1259 16400 TABLE public users hustlex_owner", True),
        ("3400; 0 16400 TABLE DATA public users hustlex_owner", True),
        ("218; 1259 16401 TABLE public pgbouncer hustlex_owner", True),
        ("219; 1259 16402 TABLE pgbouncer users postgres", False),
        ("240; 1255 16500 FUNCTION pgbouncer user_lookup(text) postgres", False),
        ("3501; 0 0 ACL pgbouncer FUNCTION user_lookup(username text) postgres", False),
        ("6; 2615 16399 SCHEMA - pgbouncer postgres", False),
        ("3502; 0 0 ACL - SCHEMA pgbouncer postgres", False),
        ("5; 2615 2200 SCHEMA - public hustlex_owner", False),
        ("3503; 0 0 ACL - SCHEMA public hustlex_owner", True),
        ("3504; 0 0 COMMENT - SCHEMA public hustlex_owner", True),
        ("7; 2615 16398 SCHEMA - shop hustlex_owner", True),
        ("2; 3079 16435 EXTENSION - amcheck ", False),
        ("3505; 0 0 COMMENT - EXTENSION amcheck ", False),
        ("3; 3079 16436 EXTENSION - pgcrypto ", True),
        ("3506; 0 0 ACL public FUNCTION bt_index_check(index regclass) postgres", False),
        ("3507; 0 0 ACL public FUNCTION twice(n integer) hustlex_owner", True),
        ("2100; 826 16398 DEFAULT ACL - DEFAULT PRIVILEGES FOR TABLES hustlex_owner", True),
        ("2101; 826 16397 DEFAULT ACL public DEFAULT PRIVILEGES FOR TABLES postgres", False),
        ("3300; 2606 16450 FK CONSTRAINT public transactions transactions_user_fk hustlex_owner", True),
    ],
)
def test_takes_all_but_what_the_template_brings(entry: str, taken: bool) -> None:
    assert wanted(["; Archive created at 2026-11-24", entry, ""], TEMPLATE) == ([entry] if taken else [])


def test_names_extensions_that_the_server_lacks() -> None:
    lines = ["2; 3079 1 EXTENSION - postgis ", "3; 3079 2 EXTENSION - amcheck ", "4; 3079 3 EXTENSION - timescaledb "]
    assert unknown_extensions(lines, {"amcheck", "plpgsql"}) == ["postgis", "timescaledb"]


def test_names_of_databases_lead_back_to_their_backups() -> None:
    names = Names("hustlex", "20261124T030000Z")
    databases = dict.fromkeys(
        (names.live, names.restored, names.before, names.restoring, "hustlex_restored_x", "other"), 1
    )
    assert names.restored == "hustlex_restored_20261124t030000z"
    assert backups_of(databases, "hustlex", "before") == ["20261124T030000Z"]
    assert backups_of(databases, "hustlex", "restored") == ["20261124T030000Z"]
    assert leftovers(databases, "hustlex") == sorted([names.restored, names.before, names.restoring])


@pytest.mark.parametrize(
    "backup", ["", "latest", "20261124", "20261124T030000Z; DROP DATABASE hustlex", "../20261124T030000Z"]
)
def test_refuses_what_is_no_backup_id(backup: str) -> None:
    with pytest.raises(RefusedError, match="no backup ID"):
        Names("hustlex", backup)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("psql:<stdin>:3: ERROR:  permission denied for table users\n", "permission denied for table users"),
        ("pg_restore: error: could not execute query: ERROR:  no space left\nCommand was: COPY", "no space left"),
        ("FATAL:  password authentication failed\n", "password authentication failed"),
        ("", "no answer"),
    ],
)
def test_says_the_error_alone(text: str, sentence: str) -> None:
    assert first_error(text) == sentence


def test_differences_are_told_and_equal_facts_are_not() -> None:
    live = {"table public.users": "owner a", "extension amcheck": "version 1.4", "table public.new": "owner a"}
    restored = {"table public.users": "owner b", "extension amcheck": "version 1.4", "table public.old": "owner a"}
    assert differences(live, restored) == [
        "table public.users is owner b in the restored database, but owner a in the live one",
        "table public.new is in the live database alone",
        "table public.old is in the restored database alone",
    ]
    assert differences(live, live) == []
