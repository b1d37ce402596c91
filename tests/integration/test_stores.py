"""The two S3 servers of the tests do what the tests of backups build on."""

import pytest
from botocore.exceptions import ClientError
from stores import STRANGER, USER, Store


def test_a_bucket_serves_its_user_and_no_stranger(store: Store) -> None:
    bucket = store.make_bucket()
    client = store.client(USER)
    client.put_object(Bucket=bucket, Key="folder/name", Body=b"content")
    assert [item["Key"] for item in client.list_objects_v2(Bucket=bucket)["Contents"]] == ["folder/name"]
    with pytest.raises(ClientError, match="AccessDenied"):
        store.client(STRANGER).get_object(Bucket=bucket, Key="folder/name")


def test_a_conditional_put_refuses_what_is_there(store: Store) -> None:
    bucket = store.make_bucket()
    client = store.client(USER)
    client.put_object(Bucket=bucket, Key="lock", Body=b"a", IfNoneMatch="*")
    with pytest.raises(ClientError, match="PreconditionFailed"):
        client.put_object(Bucket=bucket, Key="lock", Body=b"b", IfNoneMatch="*")


def test_a_versioned_bucket_keeps_what_is_deleted(store: Store) -> None:
    bucket = store.make_bucket(versioning=True)
    client = store.client(USER)
    client.put_object(Bucket=bucket, Key="a", Body=b"a")
    client.delete_object(Bucket=bucket, Key="a")
    assert len(store.client().list_object_versions(Bucket=bucket)["Versions"]) == 1


def test_rights_can_be_taken_away(versitygw: Store) -> None:
    bucket = versitygw.make_bucket()
    versitygw.allow(bucket, on_bucket=["ListBucket"], on_objects=["PutObject"])
    client = versitygw.client(USER)
    client.put_object(Bucket=bucket, Key="a", Body=b"a")
    with pytest.raises(ClientError, match="AccessDenied"):
        client.delete_object(Bucket=bucket, Key="a")
