from dataclasses import replace

from hustlex_api import schema
from hustlex_api.schema import Applied, Migration


def applied(*migrations: Migration) -> list[Applied]:
    return [Applied(m.version, m.name, m.checksum, m.min_compatible) for m in migrations]


def test_shipped_migrations_are_in_order_and_can_be_taken_back() -> None:
    migrations = schema.shipped()
    assert [migration.version for migration in migrations] == list(range(1, schema.head() + 1))
    assert all(migration.down for migration in migrations)


def test_a_migration_never_shuts_out_the_version_it_ships_with() -> None:
    for migration in schema.shipped():
        assert migration.min_compatible <= migration.version


def test_headers() -> None:
    migration = Migration(7, "x", "-- transaction: off\n-- min-compatible-schema: 6\nDROP INDEX CONCURRENTLY a;", None)
    assert not migration.in_transaction
    assert migration.min_compatible == 6
    assert Migration(1, "x", "SELECT 1;", None).in_transaction


def test_pending_and_versions() -> None:
    migrations = schema.shipped()
    state = applied(*migrations[:3])
    assert [migration.version for migration in schema.pending(migrations, state)] == [4, 5, 6]
    assert schema.version_of(state) == 3
    assert schema.version_of([]) == schema.min_compatible_of([]) == 0
    assert schema.min_compatible_of(applied(*migrations)) == schema.min_compatible_shipped() == 5


def test_contradictions() -> None:
    migrations = schema.shipped()
    assert schema.contradictions(migrations, applied(*migrations)) == []
    newer = Applied(7, "from_the_future", "x", 7)
    assert schema.contradictions(migrations, [*applied(*migrations), newer]) == []
    changed = [replace(applied(migrations[0])[0], checksum="x"), *applied(migrations[2])]
    assert schema.contradictions(migrations, changed) == [
        "migration 0001 users was applied with another content than this version ships",
        "migration 0002 is missing in the database below newer ones",
    ]


def test_statements_outside_a_transaction() -> None:
    sql = "-- transaction: off\n-- a; comment\nDROP INDEX a;\nCREATE INDEX a\n  ON b (c);\n"
    assert schema.statements(sql) == ["DROP INDEX a", "CREATE INDEX a\n  ON b (c)"]
