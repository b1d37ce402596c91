# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The object store: any server that speaks S3. Every failure is one sentence without a credential in it."""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple
from urllib.parse import unquote_plus

from botocore.exceptions import BotoCoreError

from . import leases, uploads
from .connection import ConflictError, StoreSettings, connect, explained
from .errors import MissingError, StoreError
from .leases import Lease
from .uploads import Upload

__all__ = ["DeleteOutcome", "Lease", "Store", "StoreSettings", "StoredObject", "Uploaded"]

PART_BYTES = 16 * 1024 * 1024
_PARTS_AT_ONCE = 2
_PARTS_OF_ONE_SIZE = 2500  # S3 takes 10,000 parts: growing ones allow 1.5 TiB
_DELETE_BATCH = 1000  # the most that DeleteObjects takes
_READ_TRIES = 4
_BUSY = frozenset({"SlowDown", "InternalError", "ServiceUnavailable", "RequestTimeout", "503"})


class StoredObject(NamedTuple):
    """What a listing tells; C(modified) in seconds since 1970 is for display and for keeping, never for deleting."""

    key: str
    size: int
    modified: float


class Version(NamedTuple):
    """One version of an object; C(age) in seconds is by the store's clock alone."""

    content: bytes
    etag: str
    age: float


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
        with explained(settings, "reach", "the bucket"):
            self._client = connect(settings, attempts)

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """Every object below the folder C(prefix), page by page."""
        if prefix and not prefix.endswith("/"):
            prefix += "/"
        query = {"Bucket": self.settings.bucket, "Prefix": prefix, "EncodingType": "url"}
        while True:
            with explained(self.settings, "list", prefix or "the bucket"):
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
            with explained(self.settings, "read", key):
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
            with explained(self.settings, "read", key):
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
            with explained(self.settings, "write", key):
                self._client.put_object(**query)
        except ConflictError:
            return False
        return True

    def inspect(self, key: str) -> Version:
        """Content and state of a small object; MissingError when it is not there."""
        with explained(self.settings, "read", key):
            answer = self._client.get_object(Bucket=self.settings.bucket, Key=key)
            date = parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])
            age = (date - answer["LastModified"]).total_seconds()
            return Version(answer["Body"].read(), answer["ETag"], age)

    def overwrite(self, key: str, data: bytes, etag: str) -> bool:
        """Write only where the version with C(etag) is; False when another one is there."""
        try:
            with explained(self.settings, "write", key):
                self._client.put_object(Bucket=self.settings.bucket, Key=key, Body=data, IfMatch=etag)
        except ConflictError:
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
        with explained(self.settings, "write", key):
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
            with explained(self.settings, "write", key):
                self._client.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
        except BaseException:
            with contextlib.suppress(StoreError), explained(self.settings, "write", key):
                self._client.abort_multipart_upload(**upload)
            raise
        return Uploaded(size, digest.hexdigest())

    def _upload_part(self, upload: Mapping[str, str], number: int, data: bytes) -> dict[str, Any]:
        with explained(self.settings, "write", upload["Key"]):
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
        with explained(self.settings, "delete", f"{len(keys)} objects"):
            answer: dict[str, Any] = self._client.delete_objects(
                Bucket=self.settings.bucket, Delete={"Objects": [{"Key": key} for key in keys]}
            )
        return answer

    def clock_skew_seconds(self) -> float:
        """How far the store's clock is ahead of ours; negative when it is behind."""
        before = self._clock()
        with explained(self.settings, "list", "the bucket"):
            answer = self._client.list_objects_v2(Bucket=self.settings.bucket, MaxKeys=1)
        date = answer["ResponseMetadata"]["HTTPHeaders"].get("date")
        if not date:
            raise StoreError("The store does not tell its time (no Date header): its clock cannot be compared.")
        return parsedate_to_datetime(date).timestamp() - (before + self._clock()) / 2

    def uploads(self, prefix: str) -> Iterator[Upload]:
        """Uploads below the folder C(prefix) that were never completed."""
        return uploads.listed(self, prefix)

    def abort(self, upload: Upload) -> None:
        uploads.abort(self, upload)

    @contextlib.contextmanager
    def lock(self, name: str, holder: str, seconds: float) -> Iterator[Lease]:
        """Hold C(locks/NAME.json) for at most C(seconds); LockedError says who holds it since when."""
        with leases.hold(self, name, holder, seconds, self._clock) as lease:
            yield lease

    @contextlib.contextmanager
    def asking(self, verb: str, what: str) -> Iterator[Any]:
        """The client of botocore, for requests about the bucket itself; failures become sentences all the same."""
        with explained(self.settings, verb, what):
            yield self._client


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
