"""What the operator calls: take backups, look at them, delete old ones, record the configuration."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from ansible_collections.hustlex.platform.plugins.module_utils.backup.catalogue import Catalogue, read_catalogue
from ansible_collections.hustlex.platform.plugins.module_utils.backup.storage import Store

from .conftest import Playbook

pytestmark = pytest.mark.usefixtures("environment")

DUMPS = "postgres/dumps/"


def catalogue(store: Store) -> Catalogue:
    return read_catalogue(store, datetime.now(UTC))


def put_old_dumps(store: Store, count: int) -> list[str]:
    """Dumps of 40 days ago, the oldest first."""
    ids = []
    for hour in range(count):
        started = datetime.now(UTC) - timedelta(days=40) + timedelta(hours=hour)
        name = f"{started:%Y%m%dT%H%M%SZ}"
        written = f"{started:%Y-%m-%dT%H:%M:%SZ}"
        manifest = {
            "id": name,
            "kind": "dump",
            "started": written,
            "finished": written,
            "size": 4,
            "sha256": "0" * 64,
            "object": "hustlex.dump",
            "pinned": False,
        }
        store.write(f"postgres/dumps/{name}/hustlex.dump", b"dump")
        store.write(f"postgres/dumps/{name}/manifest.json", json.dumps(manifest).encode())
        ids.append(name)
    return ids


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_all_backups_are_taken_now_and_shown(playbook: Playbook, store: Store) -> None:
    before = catalogue(store)
    run = playbook("backup")
    assert run.code == 0, run.output
    after = catalogue(store)
    assert len(after.dumps) >= len(before.dumps) + 1
    assert len(after.valid_bases) == len(before.valid_bases) + 1
    assert len(after.snapshots) >= len(before.snapshots) + 1
    assert after.valid_bases[-1].label in run.output
    shown = playbook("backups")
    for name in (after.dumps[-1].id, after.snapshots[-1].id, after.valid_bases[-1].label):
        assert name in shown.output


def test_one_kind_alone(playbook: Playbook, store: Store) -> None:
    before = catalogue(store)
    run = playbook("backup", "-e", "what=dump")
    assert run.code == 0, run.output
    after = catalogue(store)
    assert len(after.dumps) >= len(before.dumps) + 1
    assert len(after.bases) == len(before.bases)


def test_what_is_no_kind_of_backup(playbook: Playbook) -> None:
    run = playbook("backup", "-e", "what=everything")
    assert run.code != 0
    assert 'There is no backup "everything"; say -e what= with one of dump, base, redis, all.' in run.failure


def test_the_backups_are_shown_when_the_cluster_is_lost(playbook: Playbook, store: Store, tmp_path: Path) -> None:
    run = playbook("backups", "-e", f"svg={tmp_path / 'b.svg'}", "-e", "cluster_kubeconfig=/absent")
    assert run.code == 0, run.output
    found = catalogue(store)
    (window,) = found.windows
    assert f"timeline {window.timeline}  base {window.base}" in run.output
    assert ElementTree.parse(tmp_path / "b.svg").getroot().tag.endswith("svg")


def test_retention_deletes_what_was_shown_and_then_nothing(playbook: Playbook, store: Store) -> None:
    old = put_old_dumps(store, 2)
    policy = ["-e", '{"backup_dump_keep_minimum": 1, "backup_retention_cap": "100%"}']
    assert playbook("retention", "--check", "--diff", *policy).code == 0
    shown = playbook("retention", "--check", *policy)
    assert shown.code == 0, shown.output
    assert "dumps: delete 2 (8 B), keep" in shown.output
    assert {copy.id for copy in catalogue(store).dumps} >= set(old), "check mode deletes nothing"
    # The Job decides by the policy that is deployed: the plan that was shown is another one, so nothing goes.
    refused = playbook("retention", *policy)
    assert refused.code != 0
    assert "it is another plan now" in refused.failure
    assert {copy.id for copy in catalogue(store).dumps} >= set(old)
    assert playbook("deploy", "--tags", "backup", *policy).code == 0
    keys = {found.key for found in store.list(DUMPS) if found.key.split("/")[2] in old}
    finished = playbook("retention", *policy)
    assert finished.code == 0, finished.output
    assert not {found.key for found in store.list(DUMPS)} & keys
    again = playbook("retention", *policy)
    assert (again.code, again.changed) == (0, 0)


def test_more_than_the_cap_wants_to_be_confirmed(playbook: Playbook, store: Store) -> None:
    old = put_old_dumps(store, 3)
    policy = ["-e", '{"backup_dump_keep_minimum": 1, "backup_retention_cap": "1"}']
    assert playbook("deploy", "--tags", "backup", *policy).code == 0
    refused = playbook("retention", *policy)
    assert refused.code != 0
    assert "If that is right, add -e confirm=development." in refused.failure
    assert {copy.id for copy in catalogue(store).dumps} >= set(old)
    confirmed = playbook("retention", "-e", "confirm=development", *policy)
    assert confirmed.code == 0, confirmed.output
    assert not {copy.id for copy in catalogue(store).dumps} & set(old)


def test_the_configuration_is_recorded_once_for_each_change(
    playbook: Playbook, read: Callable[..., Any], tmp_path: Path
) -> None:
    repository = tmp_path / "configuration"
    named = ["-e", f"backup_config_repository={repository}"]
    assert playbook("config_history", "--check", "--diff", *named).changed == 1
    assert not repository.exists()
    first, second = playbook("config_history", *named), playbook("config_history", *named)
    assert (first.code, first.changed, second.changed) == (0, 1, 0), first.output
    changed = playbook("config_history", *named, "-e", "backup_process_max=1")
    assert changed.changed == 1
    assert "development/backup/configmap-pgbackrest.yaml" in changed.output
    assert git(repository, "rev-list", "--count", "main") == "2"
    history = git(repository, "log", "-p")
    secrets = [value for item in read("secrets")["items"] for value in (item.get("data") or {}).values()]
    texts = [base64.b64decode(value).decode() for value in secrets]
    assert texts
    assert not [text for text in texts if len(text) >= 6 and (text in history or text in first.output)]


def test_a_repository_that_is_away_stops_nobody_but_who_asks_for_it(playbook: Playbook) -> None:
    named = ["-e", "backup_config_repository=https://user:a-password@127.0.0.1:1/x.git"]
    alone = playbook("config_history", *named)
    assert alone.code != 0
    assert "of the configuration history cannot be read" in alone.failure
    deployed = playbook("deploy", "--tags", "backup", *named)
    assert deployed.code == 0, deployed.output
    assert "The configuration is not recorded this time" in deployed.output
    assert "a-password" not in alone.output + deployed.output
