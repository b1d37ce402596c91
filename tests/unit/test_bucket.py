"""What module bucket asks for, and when it is content with what there is."""

from collections.abc import Iterator
from typing import Any

import botocore.session
import pytest
from ansible_collections.hustlex.platform.plugins.module_utils.backup import storage
from ansible_collections.hustlex.platform.plugins.module_utils.backup.errors import StoreError
from ansible_collections.hustlex.platform.plugins.module_utils.backup.storage import Store, StoreSettings
from ansible_collections.hustlex.platform.plugins.module_utils.bucket import Wanted, covers, own_statements, settle
from botocore.stub import Stubber

NOTHING = Wanted(versioning=False, block_public_access=False, require_tls=False)


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stubber]:
    client = botocore.session.Session().create_client(
        "s3", region_name="af-south-1", aws_access_key_id="a", aws_secret_access_key="b"
    )
    monkeypatch.setattr(storage, "connect", lambda _settings, _attempts: client)
    with Stubber(client) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


@pytest.mark.parametrize(
    ("found", "wanted", "enough"),
    [
        ("Enabled", "Enabled", True),
        (None, "Enabled", False),
        ({"a": 1, "added": 2}, {"a": 1}, True),
        ({"a": 1}, {"a": 1, "b": 2}, False),
        ("s3:GetObject", ["s3:GetObject"], True),
        (["b", "a"], ["a", "b"], True),
        (["a", "b"], ["a"], False),
        (["a"], ["a", "b"], False),
        ([{"ID": "x", "Prefix": ""}, {"ID": "y"}], [{"ID": "y"}, {"ID": "x"}], True),
        (None, [], True),
    ],
)
def test_stores_may_say_the_same_in_other_words(found: Any, wanted: Any, enough: bool) -> None:
    assert covers(found, wanted) is enough


def test_the_user_gets_no_right_over_versions_or_the_bucket() -> None:
    actions = {action for each in own_statements("b", Wanted(user="u", require_tls=False)) for action in each["Action"]}
    assert {action for action in actions if "Version" in action or "PutBucket" in action or "*" in action} == set()
    assert {"s3:GetObject", "s3:ListBucket", "s3:PutObject"} <= actions


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"kms_key": "arn:k"}, "needs the encryption aws:kms"),
        ({"replicate_to": "b"}, "both the other bucket and the role"),
        ({"lock_days": 1, "versioning": False}, "need versioning"),
    ],
)
def test_refuses_what_cannot_go_together(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(StoreError, match=said):
        Wanted(**settings)


def test_aws_gets_encryption_by_its_keys_a_closed_bucket_and_a_copy_in_another_region(stub: Stubber) -> None:
    store = Store(StoreSettings("b", region="af-south-1"))
    wanted = Wanted(
        require_tls=False, encryption="aws:kms", replicate_to="copy", replication_role="arn:aws:iam::1:role/r"
    )
    bucket = {"Bucket": "b"}
    stub.add_client_error("head_bucket", "404", http_status_code=404, expected_params=bucket)
    location = {"LocationConstraint": "af-south-1"}
    stub.add_response("create_bucket", {}, {**bucket, "CreateBucketConfiguration": location})
    stub.add_response("get_bucket_versioning", {}, bucket)
    stub.add_response("put_bucket_versioning", {}, {**bucket, "VersioningConfiguration": {"Status": "Enabled"}})
    # As AWS makes every bucket.
    sse: dict[str, Any] = {
        "ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"},
        "BucketKeyEnabled": False,
    }
    stub.add_response("get_bucket_encryption", {"ServerSideEncryptionConfiguration": {"Rules": [sse]}}, bucket)
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}, "BucketKeyEnabled": True}
    encryption = {"ServerSideEncryptionConfiguration": {"Rules": [rule]}}
    stub.add_response("put_bucket_encryption", {}, {**bucket, **encryption})
    closed = dict.fromkeys(("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"), True)
    stub.add_response("get_public_access_block", {"PublicAccessBlockConfiguration": closed}, bucket)
    stub.add_client_error("get_bucket_replication", "ReplicationConfigurationNotFoundError", expected_params=bucket)
    replication = {
        "Role": "arn:aws:iam::1:role/r",
        "Rules": [
            {
                "ID": "hustlex-backups",
                "Priority": 1,
                "Status": "Enabled",
                "Filter": {"Prefix": ""},
                "DeleteMarkerReplication": {"Status": "Disabled"},
                "Destination": {"Bucket": "arn:aws:s3:::copy"},
            }
        ],
    }
    stub.add_response("put_bucket_replication", {}, {**bucket, "ReplicationConfiguration": replication})
    outcome = settle(store, wanted)
    assert list(outcome.after) == ["versioning", "encryption", "replication"]


def test_nothing_wanted_is_nothing_asked(stub: Stubber) -> None:
    stub.add_response("head_bucket", {}, {"Bucket": "b"})
    assert not settle(Store(StoreSettings("b")), NOTHING).changed
