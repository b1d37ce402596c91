from ansible_collections.hustlex.platform.plugins.module_utils.variables import unknown_variables

KNOWN = {"postgres": ["postgres_replicas", "postgres_image"], "app": ["app_version"]}


def test_known_and_foreign_variables_pass() -> None:
    assert unknown_variables(["postgres_replicas", "app_version", "inventory_dir", "redis_uid"], KNOWN) == []


def test_a_misspelt_variable_is_named_with_the_right_one() -> None:
    assert unknown_variables(["postgres_replica"], KNOWN) == [
        "postgres_replica is not a variable of role postgres; did you mean postgres_replicas?"
    ]


def test_all_unknown_variables_are_named_at_once() -> None:
    sentences = unknown_variables(["postgres_zzz", "app_versoin"], KNOWN)
    assert sentences == [
        "app_versoin is not a variable of role app; did you mean app_version?",
        "postgres_zzz is not a variable of role postgres; see roles/postgres/README.md.",
    ]
