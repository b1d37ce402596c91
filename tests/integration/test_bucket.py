"""Module bucket against real S3 servers: what is asked for is there afterwards, and a second run changes nothing."""

import json
import uuid
from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.hustlex.platform.plugins.module_utils.backup.errors import StoreError
from ansible_collections.hustlex.platform.plugins.module_utils.backup.storage import Store as Bucket
from ansible_collections.hustlex.platform.plugins.module_utils.backup.storage import StoreSettings
from ansible_collections.hustlex.platform.plugins.module_utils.bucket import Wanted, settle
from botocore.exceptions import ClientError
from stores import ROOT, STRANGER, USER, Store

PLAIN = Wanted(block_public_access=False, require_tls=False)


@pytest.fixture
def name() -> str:
    return f"test-{uuid.uuid4().hex[:12]}"


def at(server: Store, name: str, user: str = ROOT) -> Bucket:
    return Bucket(StoreSettings.from_mapping(server.settings(name, user)))


def test_a_bucket_is_made_and_a_second_run_changes_nothing(store: Store, name: str) -> None:
    first = settle(at(store, name), PLAIN)
    assert (first.created, list(first.after)) == (True, ["versioning"])
    assert not settle(at(store, name), PLAIN).changed
    assert store.client().get_bucket_versioning(Bucket=name)["Status"] == "Enabled"


def test_a_check_says_the_same_and_makes_nothing(store: Store, name: str) -> None:
    said = settle(at(store, name), PLAIN, check=True)
    with pytest.raises(ClientError, match="404"):
        store.client().head_bucket(Bucket=name)
    assert (said.created, said.after) == (True, {"versioning": "Enabled"})
    settle(at(store, name), replace(PLAIN, versioning=False))
    said = settle(at(store, name), PLAIN, check=True)
    assert (said.created, said.after) == (False, {"versioning": "Enabled"})
    assert settle(at(store, name), PLAIN).after == said.after


def test_the_user_may_work_and_not_destroy(versitygw: Store, name: str) -> None:
    wanted = replace(PLAIN, user=USER)
    assert list(settle(at(versitygw, name), wanted).after) == ["versioning", "policy"]
    assert not settle(at(versitygw, name), wanted).changed
    client = versitygw.client(USER)
    version = client.put_object(Bucket=name, Key="a/b", Body=b"x")["VersionId"]
    assert client.list_objects_v2(Bucket=name)["KeyCount"] == 1
    client.delete_object(Bucket=name, Key="a/b")
    for forbidden, arguments in (
        ("delete_object", {"Key": "a/b", "VersionId": version}),
        ("put_bucket_versioning", {"VersioningConfiguration": {"Status": "Suspended"}}),
        ("delete_bucket_policy", {}),
        ("delete_bucket", {}),
    ):
        with pytest.raises(ClientError, match="AccessDenied"):
            getattr(client, forbidden)(Bucket=name, **arguments)
    assert versitygw.client().get_object(Bucket=name, Key="a/b", VersionId=version)["Body"].read() == b"x"


def test_statements_of_others_stay(versitygw: Store, name: str) -> None:
    settle(at(versitygw, name), replace(PLAIN, user=USER))
    client = versitygw.client()
    policy = json.loads(client.get_bucket_policy(Bucket=name)["Policy"])
    other = {"Sid": "audit", "Effect": "Allow", "Principal": {"AWS": STRANGER}, "Action": "s3:ListBucket"}
    policy["Statement"].append(other | {"Resource": f"arn:aws:s3:::{name}"})
    client.put_bucket_policy(Bucket=name, Policy=json.dumps(policy))
    assert not settle(at(versitygw, name), replace(PLAIN, user=USER)).changed
    settle(at(versitygw, name), replace(PLAIN, user=USER, require_tls=True))
    found = json.loads(client.get_bucket_policy(Bucket=name)["Policy"])["Statement"]
    assert sorted(each["Sid"] for each in found) == ["audit", "hustlexbucket", "hustlexobjects", "hustlextls"]


def test_uploads_and_versions_are_tidied_where_the_store_can(seaweedfs: Store, name: str) -> None:
    wanted = replace(PLAIN, incomplete_upload_days=7, old_version_days=30)
    assert "lifecycle rules" in settle(at(seaweedfs, name), wanted).after
    assert not settle(at(seaweedfs, name), wanted).changed
    assert settle(at(seaweedfs, name), replace(wanted, old_version_days=10)).changed


def test_encryption_is_set_once(seaweedfs: Store, name: str) -> None:
    wanted = replace(PLAIN, encryption="AES256")
    assert "encryption" in settle(at(seaweedfs, name), wanted).after
    assert not settle(at(seaweedfs, name), wanted).changed


def test_object_lock_is_set_on_a_new_bucket(store: Store, name: str) -> None:
    wanted = replace(PLAIN, lock_days=3)
    assert "Object Lock" in settle(at(store, name), wanted).after
    assert not settle(at(store, name), wanted).changed
    lock = store.client().get_object_lock_configuration(Bucket=name)["ObjectLockConfiguration"]
    assert lock["Rule"]["DefaultRetention"] == {"Mode": "GOVERNANCE", "Days": 3}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"encryption": "AES256"}, "The store knows no encryption: turn encryption off."),
        ({"block_public_access": True}, "knows no block of public access: turn block_public_access off."),
        ({"incomplete_upload_days": 1}, "turn incomplete_upload_days and old_version_days off."),
        ({"replicate_to": "b", "replication_role": "arn:aws:iam::1:role/r"}, "turn replicate_to off."),
    ],
)
def test_what_a_store_lacks_is_named(versitygw: Store, name: str, change: dict[str, Any], said: str) -> None:
    with pytest.raises(StoreError, match=said):
        settle(at(versitygw, name), replace(PLAIN, **change))


def test_a_bucket_of_someone_else_is_named(versitygw: Store) -> None:
    taken = versitygw.make_bucket()
    with pytest.raises(StoreError, match=f"The bucket {taken} belongs to someone else"):
        settle(at(versitygw, taken, STRANGER), PLAIN)
