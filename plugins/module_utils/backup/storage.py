# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The object store: any server that speaks S3. Every failure is one sentence without a credential in it."""

from __future__ import annotations

import contextlib
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple
from urllib.parse import unquote_plus

import botocore.session
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    HTTPClientError,
    NoCredentialsError,
    SSLError,
)
from botocore.exceptions import (
    ConnectionError as BotoConnectionError,
)
from botocore.utils import parse_timestamp

from .errors import LockedError, MissingError, StoreError

PART_BYTES = 16 * 1024 * 1024
_PARTS_AT_ONCE = 2
_PARTS_OF_ONE_SIZE = 2500  # S3 takes 10,000 parts: growing ones allow 1.5 TiB
_DELETE_BATCH = 1000  # the most that DeleteObjects takes
_READ_TRIES = 4
_BUSY = frozenset({"SlowDown", "InternalError", "ServiceUnavailable", "RequestTimeout", "503"})
_MISSING = frozenset({"NoSuchKey", "NotFound", "404"})
_EXISTS = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "412", "409"})

_SENTENCES = {
    "AccessDenied": "The store refuses to {verb} {what}: its user lacks the right. Check the policy of the user.",
    "403": "The store refuses to {verb} {what}. Check the credentials and the policy of the user.",
    "NoSuchBucket": "The bucket {bucket} does not exist. Create it, or correct backup_bucket.",
    "InvalidAccessKeyId": "The store does not know the access key. Check the credentials file.",
    "SignatureDoesNotMatch": "The store does not accept the secret key. Check the credentials file.",
    "RequestTimeTooSkewed": "The clocks of this machine and of the store differ too much. Set them by NTP.",
    "SlowDown": "The store asks to slow down and did not recover. Try again later.",
}


@dataclass(frozen=True)
class StoreSettings:
    """Where the bucket is and who asks; an empty credentials_file means the default chain (workload identity)."""

    bucket: str
    endpoint: str = ""
    region: str = ""
    ca_file: str = ""
    path_style: bool = False
    credentials_file: str = ""
    profile: str = ""

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> StoreSettings:
        """Raises StoreError for a key that does not exist or a missing bucket."""
        unknown = sorted(set(values) - set(cls.__dataclass_fields__))
        if unknown:
            raise StoreError(f"The store has no setting {unknown[0]}.")
        if not values.get("bucket"):
            raise StoreError("The store needs the name of a bucket.")
        return cls(**values)


class StoredObject(NamedTuple):
    """What a listing tells; C(modified) in seconds since 1970 is for display and for keeping, never for deleting."""

    key: str
    size: int
    modified: float


@dataclass(frozen=True)
class Uploaded:
    size: int
    sha256: str

    def to_dict(self) -> dict[str, Any]:
        return {"size": self.size, "sha256": self.sha256}


@dataclass(frozen=True)
class DeleteOutcome:
    """C(errors) names each key that is still there; C(markers) counts keys that a versioned bucket only hid."""

    deleted: tuple[str, ...]
    errors: tuple[tuple[str, str], ...]
    markers: int = 0

    def to_dict(self) -> dict[str, Any]:
        return {
            "deleted": len(self.deleted),
            "markers": self.markers,
            "errors": [{"key": key, "reason": reason} for key, reason in self.errors],
        }


class Lease:
    """A lock that is held; ask C(check) before each step that cannot be taken back."""

    def __init__(self, store: Store, key: str, body: bytes, expires: float, clock: Callable[[], float]) -> None:
        self._store = store
        self._key = key
        self._body = body
        self._expires = expires
        self._clock = clock
        self._changing = threading.Lock()

    def check(self) -> None:
        """Raises LockedError when the time is up or another run has taken the lock."""
        if self._clock() >= self._expires:
            raise LockedError("The lock ran out before the work was done; run it again.")
        if not self.still_ours():
            raise LockedError("Another run took the lock; this one stops.")

    def renew(self, seconds: float) -> None:
        """Hold the lock for C(seconds) from now; LockedError when another run has taken it."""
        expires = self._clock() + seconds
        with self._changing:
            body = json.dumps({**json.loads(self._body), "seconds": seconds, "expires": _iso(expires)}).encode()
            self._store.replace(self._key, self._body, body)
            self._body, self._expires = body, expires

    def still_ours(self) -> bool:
        try:
            with self._changing:
                return self._store.read(self._key) == self._body
        except MissingError:
            return False


class Store:
    """One bucket. A prefix is a folder: it ends with a slash, so that main never means main2 as well."""

    def __init__(
        self,
        settings: StoreSettings,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
        attempts: int = 5,
    ) -> None:
        self.settings = settings
        self._clock = clock
        self._sleep = sleep
        with self._errors("reach", "the bucket"):
            self._client = _client(settings, attempts)

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """Every object below the folder C(prefix), page by page."""
        if prefix and not prefix.endswith("/"):
            prefix += "/"
        query = {"Bucket": self.settings.bucket, "Prefix": prefix, "EncodingType": "url"}
        while True:
            with self._errors("list", prefix or "the bucket"):
                page = self._client.list_objects_v2(**query)
            encoded = page.get("EncodingType") == "url"
            for entry in page.get("Contents", ()):
                key = entry["Key"]
                if encoded and ("%" in key or "+" in key):
                    key = unquote_plus(key)
                if not key.startswith(prefix):
                    raise StoreError(f"The store listed {key} although only {prefix} was asked for; nothing is done.")
                yield StoredObject(key, entry["Size"], entry["LastModified"])
            if not page.get("IsTruncated"):
                return
            token = page.get("NextContinuationToken")
            if not token or token == query.get("ContinuationToken"):
                raise StoreError(f"The store cut the listing of {prefix} off; nothing is done.")
            query["ContinuationToken"] = token

    def exists(self, key: str) -> bool:
        try:
            with self._errors("read", key):
                self._client.head_object(Bucket=self.settings.bucket, Key=key)
        except MissingError:
            return False
        return True

    def read(self, key: str) -> bytes:
        """Content of a small object; MissingError when it is not there."""
        return b"".join(self.download(key))

    def download(self, key: str) -> Iterator[bytes]:
        """Content in pieces; a connection that breaks is taken up where it broke, on the same version only."""
        position, etag, tries = 0, "", 0
        while True:
            query: dict[str, Any] = {"Bucket": self.settings.bucket, "Key": key}
            if position:
                query |= {"Range": f"bytes={position}-", "IfMatch": etag}
            with self._errors("read", key):
                answer = self._client.get_object(**query)
            etag = answer["ETag"]
            end = position + answer["ContentLength"]
            try:
                with contextlib.closing(answer["Body"]) as body:
                    for chunk in body.iter_chunks(1 << 20):
                        position += len(chunk)
                        yield chunk
            except (BotoCoreError, OSError) as error:
                tries += 1
                if tries == _READ_TRIES:
                    raise StoreError(f"The store broke off {key} {tries} times. Try again later.") from error
                self._sleep(0.5 * tries)
            if position == end:
                return

    def write(self, key: str, data: bytes, if_absent: bool = False) -> bool:
        """False only when C(if_absent) and the object exists."""
        query: dict[str, Any] = {"Bucket": self.settings.bucket, "Key": key, "Body": data}
        if if_absent:
            query["IfNoneMatch"] = "*"
        try:
            with self._errors("write", key):
                self._client.put_object(**query)
        except _ConflictError:
            return False
        return True

    def upload(
        self,
        key: str,
        chunks: Iterable[bytes],
        before_completion: Callable[[], None] = lambda: None,
    ) -> Uploaded:
        """Stream C(chunks) into one object, which appears only after C(before_completion) did not raise.

        Whatever is raised, also by C(chunks), aborts the upload: no object and no parts stay behind.
        """
        target = {"Bucket": self.settings.bucket, "Key": key}
        digest, size = hashlib.sha256(), 0
        with self._errors("write", key):
            upload = {**target, "UploadId": self._client.create_multipart_upload(**target)["UploadId"]}
        pending: list[Future[dict[str, Any]]] = []
        parts: list[dict[str, Any]] = []
        try:
            with ThreadPoolExecutor(_PARTS_AT_ONCE) as pool:
                for number, part in enumerate(_parts(chunks), start=1):
                    digest.update(part)
                    size += len(part)
                    if len(pending) == _PARTS_AT_ONCE:
                        parts.append(pending.pop(0).result())
                    pending.append(pool.submit(self._upload_part, upload, number, part))
                parts += [future.result() for future in pending]
            before_completion()
            with self._errors("write", key):
                self._client.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
        except BaseException:
            with contextlib.suppress(StoreError), self._errors("write", key):
                self._client.abort_multipart_upload(**upload)
            raise
        return Uploaded(size, digest.hexdigest())

    def _upload_part(self, upload: Mapping[str, str], number: int, data: bytes) -> dict[str, Any]:
        with self._errors("write", upload["Key"]):
            answer = self._client.upload_part(**upload, PartNumber=number, Body=data)
        return {"PartNumber": number, "ETag": answer["ETag"]}

    def delete(self, keys: Iterable[str]) -> DeleteOutcome:
        """Delete in batches; what the store refuses is in the outcome, not raised. A key that is gone counts as deleted."""
        deleted: list[str] = []
        errors: list[tuple[str, str]] = []
        markers = 0
        for batch in _batches(keys, _DELETE_BATCH):
            left: Sequence[str] = batch
            for pause in (0.5, 2.0, None):
                answer = self._delete_batch(left)
                deleted += [entry["Key"] for entry in answer.get("Deleted", ())]
                markers += sum(bool(entry.get("DeleteMarker")) for entry in answer.get("Deleted", ()))
                failed = answer.get("Errors", ())
                left = [entry["Key"] for entry in failed if entry.get("Code") in _BUSY]
                if pause is None or not left:
                    errors += [(entry["Key"], entry.get("Code", "unknown")) for entry in failed]
                    break
                errors += [(entry["Key"], entry.get("Code", "")) for entry in failed if entry.get("Code") not in _BUSY]
                self._sleep(pause)
        return DeleteOutcome(tuple(deleted), tuple(errors), markers)

    def _delete_batch(self, keys: Sequence[str]) -> dict[str, Any]:
        with self._errors("delete", f"{len(keys)} objects"):
            answer: dict[str, Any] = self._client.delete_objects(
                Bucket=self.settings.bucket, Delete={"Objects": [{"Key": key} for key in keys]}
            )
        return answer

    def clock_skew_seconds(self) -> float:
        """How far the store's clock is ahead of ours; negative when it is behind."""
        before = self._clock()
        with self._errors("list", "the bucket"):
            answer = self._client.list_objects_v2(Bucket=self.settings.bucket, MaxKeys=1)
        date = answer["ResponseMetadata"]["HTTPHeaders"].get("date")
        if not date:
            raise StoreError("The store does not tell its time (no Date header): its clock cannot be compared.")
        return parsedate_to_datetime(date).timestamp() - (before + self._clock()) / 2

    @contextlib.contextmanager
    def lock(self, name: str, holder: str, seconds: float) -> Iterator[Lease]:
        """Hold C(locks/NAME.json) for at most C(seconds); LockedError says who holds it since when.

        What others wait for is told by the store's clock alone: ours and theirs may differ.
        """
        key = f"locks/{name}.json"
        now = self._clock()
        facts = {"holder": holder, "since": _iso(now), "seconds": seconds, "expires": _iso(now + seconds)}
        body = json.dumps({**facts, "token": secrets.token_hex(8)}).encode()
        self._take(key, body)
        lease = Lease(self, key, body, now + seconds, self._clock)
        if not lease.still_ours():
            raise LockedError(f"Another run took the lock {name} at the same moment. Try again later.")
        try:
            yield lease
        finally:
            # A lock that cannot be given back runs out; what went wrong before is what counts.
            with contextlib.suppress(StoreError):
                if lease.still_ours():
                    self.delete([key])

    def _take(self, key: str, body: bytes) -> None:
        if self.write(key, body, if_absent=True):
            return
        with self._errors("read", key):
            answer = self._client.get_object(Bucket=self.settings.bucket, Key=key)
            held = json.loads(answer["Body"].read())
        date = parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])
        if (date - answer["LastModified"]).total_seconds() <= held["seconds"]:
            raise LockedError(f"{held['holder']} holds the lock since {held['since']}. Wait for it to end.")
        try:
            with self._errors("write", key):
                self._client.put_object(Bucket=self.settings.bucket, Key=key, Body=body, IfMatch=answer["ETag"])
        except _ConflictError as error:
            raise LockedError("Another run took the lock at the same moment. Try again later.") from error

    def replace(self, key: str, old: bytes, new: bytes) -> None:
        """Write C(new) where C(old) is; LockedError when something else is there."""
        with self._errors("read", key):
            answer = self._client.get_object(Bucket=self.settings.bucket, Key=key)
            found = answer["Body"].read()
        if found != old:
            raise LockedError("Another run took the lock; this one stops.")
        try:
            with self._errors("write", key):
                self._client.put_object(Bucket=self.settings.bucket, Key=key, Body=new, IfMatch=answer["ETag"])
        except _ConflictError as error:
            raise LockedError("Another run took the lock; this one stops.") from error

    @contextlib.contextmanager
    def asking(self, verb: str, what: str) -> Iterator[Any]:
        """The client of botocore, for requests about the bucket itself; failures become sentences all the same."""
        with self._errors(verb, what):
            yield self._client

    @contextlib.contextmanager
    def _errors(self, verb: str, what: str) -> Iterator[None]:
        where = self.settings.endpoint or "AWS S3"
        try:
            yield
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", "unknown"))
            if code in _MISSING:
                raise MissingError(f"{what} is not in the bucket {self.settings.bucket}.") from None
            if code in _EXISTS:
                raise _ConflictError(f"{what} was changed by another run.") from None
            text = _SENTENCES.get(code, "The store could not {verb} {what} ({code}). Try again later.")
            raise StoreError(text.format(verb=verb, what=what, code=code, bucket=self.settings.bucket)) from None
        except NoCredentialsError:
            raise StoreError("There are no credentials for the store. Set the credentials file.") from None
        except SSLError:
            raise StoreError(f"The certificate of {where} is not trusted. Check the CA file.") from None
        except (BotoConnectionError, HTTPClientError, OSError) as error:
            raise StoreError(f"The store {where} does not answer ({type(error).__name__}). Try again later.") from None
        except BotoCoreError as error:
            raise StoreError(f"The settings of the store cannot be used ({type(error).__name__}).") from None


class _ConflictError(StoreError):
    """A conditional request met another state."""


def _client(settings: StoreSettings, attempts: int) -> Any:
    session = botocore.session.Session(profile=settings.profile or None)
    if settings.credentials_file:
        session.set_config_variable("credentials_file", settings.credentials_file)
    # botocore's own parser takes most of the time of a listing.
    session.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=_timestamp)
    return session.create_client(
        "s3",
        endpoint_url=settings.endpoint or None,
        region_name=settings.region or ("us-east-1" if settings.endpoint else None),
        verify=settings.ca_file or None,
        config=Config(
            retries={"mode": "standard", "max_attempts": attempts},
            connect_timeout=10,
            read_timeout=60,
            s3={"addressing_style": "path" if settings.path_style else "auto"},
            # Checksums behind the content are what servers other than AWS's stumble over, and TLS has its own.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
    )


def _timestamp(value: Any) -> Any:
    """Seconds since 1970 for the form of listings; botocore's own reading for all others."""
    if isinstance(value, str) and value[-1:] == "Z" and value[4:5] == "-":
        return datetime.fromisoformat(value).timestamp()
    return parse_timestamp(value)


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _parts(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Parts of 16 MiB, growing slowly; exactly one empty part when there is no data."""
    buffer, number = bytearray(), 0
    wanted = PART_BYTES
    for chunk in chunks:
        buffer += chunk
        while len(buffer) >= wanted:
            yield bytes(memoryview(buffer)[:wanted])
            del buffer[:wanted]
            number += 1
            wanted = PART_BYTES * 4 ** (number // _PARTS_OF_ONE_SIZE)
    if buffer or not number:
        yield bytes(buffer)


def _batches(keys: Iterable[str], size: int) -> Iterator[list[str]]:
    batch: list[str] = []
    for key in keys:
        batch.append(key)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
