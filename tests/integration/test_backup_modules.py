"""Modules backup_info and backup_retention against real S3 servers, and no cluster: it may be the one that is lost."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from plays import Played, Player
from stores import Store

NO_CLUSTER = "/there/is/no/kubeconfig"


def put_copies(store: Store, bucket: str, kind: str, count: int, oldest_days: float) -> list[str]:
    """Dumps or snapshots an hour apart, the first of them so many days ago."""
    folder, name = {"dump": ("postgres/dumps", "hustlex.dump"), "redis": ("redis", "dump.rdb")}[kind]
    client = store.client()
    ids = []
    for number in range(count):
        started = datetime.now(UTC) - timedelta(days=oldest_days) + timedelta(hours=number)
        content = f"{kind} {number}".encode()
        manifest = {
            "id": f"{started:%Y%m%dT%H%M%SZ}",
            "kind": kind,
            "started": f"{started:%Y-%m-%dT%H:%M:%SZ}",
            "finished": f"{started + timedelta(seconds=7):%Y-%m-%dT%H:%M:%SZ}",
            "size": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
            "object": name,
            "pinned": False,
        }
        ids.append(str(manifest["id"]))
        client.put_object(Bucket=bucket, Key=f"{folder}/{ids[-1]}/{name}", Body=content)
        client.put_object(Bucket=bucket, Key=f"{folder}/{ids[-1]}/manifest.json", Body=json.dumps(manifest).encode())
    return ids


@pytest.fixture
def play(tmp_path: Path) -> Player:
    return Player(tmp_path, "nowhere", NO_CLUSTER)


def plan(play: Player, settings: dict[str, Any], check: bool = True, **options: Any) -> Played:
    policy = {"dumps": {"days": 30, "minimum": 2}, "cap": "50%"}
    task = {"backup_retention": {"store": settings, "policy": policy, "environment": "test", **options}}
    return play(task, check=check)


def test_the_backups_are_shown_without_a_cluster(store: Store, play: Player, tmp_path: Path) -> None:
    bucket = store.make_bucket()
    dumps = put_copies(store, bucket, "dump", 8, 1)
    put_copies(store, bucket, "redis", 1, 1)
    task = {"store": store.settings(bucket), "json": str(tmp_path / "b.json"), "svg": str(tmp_path / "b.svg")}
    played = play({"backup_info": task})
    result = played.last
    assert not result.get("failed"), result
    assert [dump["id"] for dump in result["backups"]["dumps"]] == dumps
    assert f"Dumps (playbooks/restore.yml): 8, {8 * 6} B" in played.output
    assert f"  {dumps[-1]}  " in played.output
    assert [dump["id"] for dump in json.loads((tmp_path / "b.json").read_text())["dumps"]] == dumps
    assert ElementTree.parse(tmp_path / "b.svg").getroot().tag.endswith("svg")


def test_check_mode_writes_no_file(versitygw: Store, play: Player, tmp_path: Path) -> None:
    task = {"store": versitygw.settings(versitygw.make_bucket()), "svg": str(tmp_path / "b.svg")}
    assert play({"backup_info": task}, check=True).last["files"] == [str(tmp_path / "b.svg")]
    assert not (tmp_path / "b.svg").exists()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"bucket": "absent-bucket"}, "The bucket absent-bucket does not exist"),
        ({"endpoint": "https://localhost:1"}, "The store https://localhost:1 does not answer"),
        ({"ca_file": ""}, "certificate"),
        ({"credentials_file": "/absent"}, "/absent"),
    ],
    ids=["bucket", "address", "authority", "credentials"],
)
def test_what_is_wrong_with_the_store_is_one_sentence(
    versitygw: Store, play: Player, changes: dict[str, str], words: str
) -> None:
    settings = versitygw.settings(versitygw.make_bucket()) | changes
    played = play({"backup_info": {"store": settings}})
    assert played.last["failed"]
    assert words in played.last["msg"]
    assert "Traceback" not in played.output
    assert versitygw.secrets["hustlex-backup"] not in played.output


def test_a_user_without_the_right_is_told_so(versitygw: Store, play: Player) -> None:
    settings = versitygw.settings(versitygw.make_bucket(), user="stranger")
    assert "lacks the right" in play({"backup_info": {"store": settings}}).last["msg"]


def test_a_file_that_cannot_be_written(versitygw: Store, play: Player) -> None:
    task = {"store": versitygw.settings(versitygw.make_bucket()), "svg": "/proc/b.svg"}
    assert play({"backup_info": task}).last["msg"].startswith("/proc/b.svg cannot be written")


def test_the_plan_is_made_without_a_cluster_and_changes_nothing(store: Store, play: Player) -> None:
    bucket = store.make_bucket()
    old, new = put_copies(store, bucket, "dump", 3, 40), put_copies(store, bucket, "dump", 4, 2)
    result = plan(play, store.settings(bucket)).last
    assert result["changed"]
    going = [each["id"] for each in result["plan"]["decisions"] if not each["keep"]]
    assert going == old
    assert f"-dumps {old[0]}" not in result["diff"]["after"]
    assert all(f"dumps {name}\n" in result["diff"]["before"] for name in old + new)
    assert plan(play, store.settings(bucket)).last["plan"]["digest"] == result["plan"]["digest"]
    keys = [entry["Key"] for entry in store.client().list_objects_v2(Bucket=bucket)["Contents"]]
    assert len(keys) == 2 * 7


def test_more_than_the_cap_wants_to_be_confirmed(versitygw: Store, play: Player) -> None:
    bucket = versitygw.make_bucket()
    put_copies(versitygw, bucket, "dump", 6, 40)
    put_copies(versitygw, bucket, "dump", 2, 1)
    refused = plan(play, versitygw.settings(bucket), check=False).last
    assert refused["failed"]
    assert not refused["changed"]
    assert refused["msg"].startswith("Nothing is deleted: 6 of 8 good backups of kind dump would go")
    assert refused["msg"].endswith("If that is right, add -e confirm=test.")
    wrong = plan(play, versitygw.settings(bucket), check=False, confirm="production").last
    assert "add -e confirm=test" in wrong["msg"]
    confirmed = plan(play, versitygw.settings(bucket), check=False, confirm="test").last
    assert NO_CLUSTER in confirmed["msg"], "what is left is that the Job needs a cluster"


def test_metadata_that_cannot_be_read_refuses_everything(versitygw: Store, play: Player) -> None:
    bucket = versitygw.make_bucket()
    old = put_copies(versitygw, bucket, "dump", 3, 40)
    put_copies(versitygw, bucket, "dump", 4, 2)
    key = f"postgres/dumps/{old[0]}/manifest.json"
    versitygw.client().put_object(Bucket=bucket, Key=key, Body=b"{")
    result = plan(play, versitygw.settings(bucket)).last
    assert result["failed"]
    assert result["msg"] == f"Nothing is deleted: {key} is not readable."


def test_a_policy_that_is_none(versitygw: Store, play: Player) -> None:
    settings = versitygw.settings(versitygw.make_bucket())
    task = {"backup_retention": {"store": settings, "policy": {"windw_days": 7}, "environment": "test"}}
    message = play(task, check=True).last["msg"]
    assert message.startswith("The retention policy is not understood")
    assert "windw_days" in message
