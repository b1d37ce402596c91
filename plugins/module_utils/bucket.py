# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The bucket of the backups as it shall be: made, versioned, encrypted, closed, tidied, replicated.

Statements of its policy and rules of its lifecycle that do not carry our name belong to others and stay.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from .backup.errors import StoreError
from .backup.storage import Store

OWN = "hustlex-"
_LACKING = frozenset({"NotImplemented", "MethodNotAllowed", "501", "405"})
_ON_BUCKET = ("GetBucketLocation", "ListBucket", "ListBucketMultipartUploads")
_ON_OBJECTS = ("AbortMultipartUpload", "DeleteObject", "GetObject", "ListMultipartUploadParts", "PutObject")


@dataclass(frozen=True)
class Wanted:
    """What is empty, 0 or false is left as it is."""

    versioning: bool = True
    encryption: str = ""
    kms_key: str = ""
    block_public_access: bool = True
    user: str = ""
    require_tls: bool = True
    incomplete_upload_days: int = 0
    old_version_days: int = 0
    lock_days: int = 0
    lock_mode: str = "GOVERNANCE"
    replicate_to: str = ""
    replication_role: str = ""

    def __post_init__(self) -> None:
        if self.kms_key and self.encryption != "aws:kms":
            raise StoreError("A KMS key needs the encryption aws:kms.")
        if bool(self.replicate_to) != bool(self.replication_role):
            raise StoreError("Replication needs both the other bucket and the role that copies.")
        if (self.replicate_to or self.lock_days) and not self.versioning:
            raise StoreError("Replication and Object Lock need versioning.")


@dataclass(frozen=True)
class Feature:
    """One property of a bucket: how it is read and written, and how it shall be."""

    name: str
    option: str
    read: str
    write: str
    # The codes that say "nothing is set".
    unset: str
    # From the answer to what is compared, and from what is to be set to the arguments of the request.
    found: Callable[[Mapping[str, Any]], Any]
    arguments: Callable[[Any], dict[str, Any]]
    # What shall be set, given what is.
    wanted: Callable[[Any], Any]


@dataclass(frozen=True)
class Outcome:
    created: bool
    before: dict[str, Any]
    after: dict[str, Any]

    @property
    def changed(self) -> bool:
        return self.created or bool(self.after)


def settle(store: Store, wanted: Wanted, check: bool = False) -> Outcome:
    """Make the bucket and whatever differs; with `check` only say what. Raises StoreError."""
    bucket = store.settings.bucket
    created = not _exists(store)
    if created and not check:
        _create(store, wanted)
    before: dict[str, Any] = {}
    after: dict[str, Any] = {}
    for feature in features(bucket, wanted):
        found = None if created and check else _read(store, feature)
        value = feature.wanted(found)
        if covers(found, value):
            continue
        before[feature.name], after[feature.name] = found, value
        if not check:
            with _asking(store, feature, "set") as client:
                getattr(client, feature.write)(Bucket=bucket, **feature.arguments(value))
    return Outcome(created, before, after)


def features(bucket: str, wanted: Wanted) -> list[Feature]:
    """In an order in which each may build on those before."""
    chosen = []
    if wanted.versioning:
        chosen.append(_VERSIONING)
    if wanted.encryption:
        chosen.append(_encryption(wanted))
    if wanted.block_public_access:
        chosen.append(_PUBLIC_ACCESS)
    if statements := own_statements(bucket, wanted):
        chosen.append(_policy(statements))
    if rules := own_rules(wanted):
        chosen.append(_lifecycle(rules))
    if wanted.lock_days:
        chosen.append(_object_lock(wanted))
    if wanted.replicate_to:
        chosen.append(_replication(wanted))
    return chosen


_VERSIONING = Feature(
    name="versioning",
    option="versioning",
    read="get_bucket_versioning",
    write="put_bucket_versioning",
    unset="",
    found=lambda answer: answer.get("Status"),
    arguments=lambda value: {"VersioningConfiguration": {"Status": value}},
    wanted=lambda _found: "Enabled",
)
_PUBLIC_ACCESS = Feature(
    name="block of public access",
    option="block_public_access",
    read="get_public_access_block",
    write="put_public_access_block",
    unset="NoSuchPublicAccessBlockConfiguration",
    found=lambda answer: answer["PublicAccessBlockConfiguration"],
    arguments=lambda value: {"PublicAccessBlockConfiguration": value},
    wanted=lambda _found: dict.fromkeys(
        ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"), True
    ),
)


def _encryption(wanted: Wanted) -> Feature:
    default = {"SSEAlgorithm": wanted.encryption}
    rule: dict[str, Any] = {"ApplyServerSideEncryptionByDefault": default}
    if wanted.kms_key:
        default["KMSMasterKeyID"] = wanted.kms_key
    if wanted.encryption == "aws:kms":
        # One data key for many objects: else each WAL segment costs a request to KMS.
        rule["BucketKeyEnabled"] = True
    return Feature(
        name="encryption",
        option="encryption",
        read="get_bucket_encryption",
        write="put_bucket_encryption",
        unset="ServerSideEncryptionConfigurationNotFoundError",
        found=lambda answer: answer["ServerSideEncryptionConfiguration"]["Rules"],
        arguments=lambda value: {"ServerSideEncryptionConfiguration": {"Rules": value}},
        wanted=lambda _found: [rule],
    )


def own_statements(bucket: str, wanted: Wanted) -> list[dict[str, Any]]:
    """No right to delete versions: who steals the backups' credentials can hide objects, not destroy them."""
    resource = f"arn:aws:s3:::{bucket}"
    objects = f"{resource}/*"
    found: list[dict[str, Any]] = []
    if wanted.user:
        for name, actions, where in (("bucket", _ON_BUCKET, resource), ("objects", _ON_OBJECTS, objects)):
            found.append(
                {
                    "Sid": f"{OWN}{name}".replace("-", ""),
                    "Effect": "Allow",
                    "Principal": {"AWS": wanted.user},
                    "Action": [f"s3:{action}" for action in actions],
                    "Resource": where,
                }
            )
    if wanted.require_tls:
        found.append(
            {
                "Sid": f"{OWN}tls".replace("-", ""),
                "Effect": "Deny",
                "Principal": "*",
                "Action": "s3:*",
                "Resource": [resource, objects],
                "Condition": {"Bool": {"aws:SecureTransport": "false"}},
            }
        )
    return found


def _policy(statements: list[dict[str, Any]]) -> Feature:
    prefix = OWN.replace("-", "")

    def merged(found: Any) -> dict[str, Any]:
        there = (found or {}).get("Statement", [])
        others = [each for each in _list(there) if not str(each.get("Sid", "")).startswith(prefix)]
        return {"Version": "2012-10-17", "Statement": [*others, *statements]}

    return Feature(
        name="policy",
        option="user and require_tls",
        read="get_bucket_policy",
        write="put_bucket_policy",
        unset="NoSuchBucketPolicy",
        found=lambda answer: json.loads(answer["Policy"]),
        arguments=lambda value: {"Policy": json.dumps(value)},
        wanted=merged,
    )


def own_rules(wanted: Wanted) -> list[dict[str, Any]]:
    """Only for what nothing lists any more; objects themselves are the retention's."""
    found: list[dict[str, Any]] = []
    if wanted.incomplete_upload_days:
        days = {"DaysAfterInitiation": wanted.incomplete_upload_days}
        found.append({"ID": f"{OWN}incomplete-uploads", "AbortIncompleteMultipartUpload": days})
    if wanted.old_version_days:
        days = {"NoncurrentDays": wanted.old_version_days}
        found.append({"ID": f"{OWN}old-versions", "NoncurrentVersionExpiration": days})
        found.append({"ID": f"{OWN}delete-markers", "Expiration": {"ExpiredObjectDeleteMarker": True}})
    return [rule | {"Status": "Enabled", "Filter": {"Prefix": ""}} for rule in found]


def _lifecycle(rules: list[dict[str, Any]]) -> Feature:
    def merged(found: Any) -> list[dict[str, Any]]:
        return [*(rule for rule in found or [] if not rule.get("ID", "").startswith(OWN)), *rules]

    return Feature(
        name="lifecycle rules",
        option="incomplete_upload_days and old_version_days",
        read="get_bucket_lifecycle_configuration",
        write="put_bucket_lifecycle_configuration",
        unset="NoSuchLifecycleConfiguration",
        found=lambda answer: answer.get("Rules", []),
        arguments=lambda value: {"LifecycleConfiguration": {"Rules": value}},
        wanted=merged,
    )


def _object_lock(wanted: Wanted) -> Feature:
    retention = {"Mode": wanted.lock_mode, "Days": wanted.lock_days}
    return Feature(
        name="Object Lock",
        option="lock_days",
        read="get_object_lock_configuration",
        write="put_object_lock_configuration",
        unset="ObjectLockConfigurationNotFoundError",
        found=lambda answer: answer["ObjectLockConfiguration"],
        arguments=lambda value: {"ObjectLockConfiguration": value},
        wanted=lambda _found: {"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": retention}},
    )


def _replication(wanted: Wanted) -> Feature:
    target = wanted.replicate_to if wanted.replicate_to.startswith("arn:") else f"arn:aws:s3:::{wanted.replicate_to}"
    rule = {
        "ID": f"{OWN}backups",
        "Priority": 1,
        "Status": "Enabled",
        "Filter": {"Prefix": ""},
        # What is deleted here, by whomever, stays there.
        "DeleteMarkerReplication": {"Status": "Disabled"},
        "Destination": {"Bucket": target},
    }
    return Feature(
        name="replication",
        option="replicate_to",
        read="get_bucket_replication",
        write="put_bucket_replication",
        unset="ReplicationConfigurationNotFoundError",
        found=lambda answer: answer["ReplicationConfiguration"],
        arguments=lambda value: {"ReplicationConfiguration": value},
        wanted=lambda _found: {"Role": wanted.replication_role, "Rules": [rule]},
    )


def covers(found: Any, wanted: Any) -> bool:
    """Whether all that is wanted is set. Stores add keys, sort lists, and write a list of one as its element."""
    if isinstance(wanted, Mapping):
        return isinstance(found, Mapping) and all(covers(found.get(key), value) for key, value in wanted.items())
    if isinstance(wanted, list) or isinstance(found, list):
        left = list(_list(found))
        for value in _list(wanted):
            match = next((each for each in left if covers(each, value)), None)
            if match is None:
                return False
            left.remove(match)
        return not left
    return bool(found == wanted)


def _list(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, list) else [value]


def _exists(store: Store) -> bool:
    bucket = store.settings.bucket
    with store.asking("look at", f"the bucket {bucket}") as client:
        try:
            client.head_bucket(Bucket=bucket)
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", ""))
            if code in ("404", "NoSuchBucket"):
                return False
            if code in ("403", "AccessDenied"):
                raise StoreError(
                    f"The bucket {bucket} belongs to someone else, or these credentials may not see it: "
                    "choose another name or other credentials."
                ) from None
            raise
    return True


def _create(store: Store, wanted: Wanted) -> None:
    arguments: dict[str, Any] = {"Bucket": store.settings.bucket}
    if store.settings.region not in ("", "us-east-1"):
        arguments["CreateBucketConfiguration"] = {"LocationConstraint": store.settings.region}
    if wanted.lock_days:
        arguments["ObjectLockEnabledForBucket"] = True
    with store.asking("make", f"the bucket {store.settings.bucket}") as client:
        try:
            client.create_bucket(**arguments)
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") != "BucketAlreadyOwnedByYou":
                raise


def _read(store: Store, feature: Feature) -> Any:
    with _asking(store, feature, "read") as client:
        try:
            answer = getattr(client, feature.read)(Bucket=store.settings.bucket)
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") == feature.unset:
                return None
            raise
        return feature.found(answer)
    raise AssertionError("unreachable")


@contextlib.contextmanager
def _asking(store: Store, feature: Feature, verb: str) -> Iterator[Any]:
    with store.asking(verb, f"the {feature.name} of the bucket {store.settings.bucket}") as client:
        try:
            yield client
        except ClientError as error:
            if str(error.response.get("Error", {}).get("Code")) in _LACKING:
                raise StoreError(f"The store knows no {feature.name}: turn {feature.option} off.") from None
            raise
