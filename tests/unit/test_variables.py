from pathlib import Path

from ansible_collections.hustlex.platform.plugins.module_utils.variables import OF_PLAYBOOKS, unknown_variables

ROOT = Path(__file__).parents[2]
KNOWN = {"postgres": ["postgres_replicas", "postgres_image"], "app": ["app_version"]}
SHARED = ["hustlex_namespace", "hustlex_pull_secret", *OF_PLAYBOOKS]


def test_known_and_foreign_variables_pass() -> None:
    assert (
        unknown_variables(
            ["postgres_replicas", "app_version", "inventory_dir", "redis_uid", "hustlex_pull_secret"], KNOWN, SHARED
        )
        == []
    )


def test_a_misspelt_variable_is_named_with_the_right_one() -> None:
    assert unknown_variables(["postgres_replica"], KNOWN, SHARED) == [
        "postgres_replica is not a variable of role postgres; did you mean postgres_replicas?"
    ]


def test_all_unknown_variables_are_named_at_once() -> None:
    sentences = unknown_variables(["postgres_zzz", "app_versoin"], KNOWN, SHARED)
    assert sentences == [
        "app_versoin is not a variable of role app; did you mean app_version?",
        "postgres_zzz is not a variable of role postgres; see roles/postgres/README.md.",
    ]


def test_a_shared_variable_is_checked_too() -> None:
    assert unknown_variables(["hustlex_namespce", "hustlex_zzz"], KNOWN, SHARED) == [
        "hustlex_namespce is not a shared variable; did you mean hustlex_namespace?",
        "hustlex_zzz is not a shared variable; see roles/namespace/README.md.",
    ]


def test_the_variables_of_playbooks_are_read_by_one() -> None:
    texts = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "playbooks").glob("*.yml"))
    assert [name for name in OF_PLAYBOOKS if name not in texts] == []
