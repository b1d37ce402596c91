# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Uploads in parts that were never completed: no listing of objects shows them, and the store keeps their parts.

A job that is killed leaves one. Where the store has no lifecycle rules, nothing but this removes it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from . import times
from .errors import MissingError, StoreError

if TYPE_CHECKING:
    from .storage import Store


@dataclass(frozen=True)
class Upload:
    """C(id) is the store's own name of it; C(started) is by the store's clock."""

    key: str
    id: str
    started: datetime

    def to_dict(self) -> dict[str, Any]:
        return {"key": self.key, "id": self.id, "started": times.iso(self.started)}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Upload:
        return cls(value["key"], value["id"], times.parse(value["started"]))


def listed(store: Store, prefix: str) -> Iterator[Upload]:
    """What is not completed below the folder C(prefix), page by page."""
    query = {"Bucket": store.settings.bucket, "Prefix": prefix}
    while True:
        with store.asking("list the uploads of", prefix) as client:
            page = client.list_multipart_uploads(**query)
        for entry in page.get("Uploads", ()):
            if entry["Key"].startswith(prefix):
                yield Upload(entry["Key"], entry["UploadId"], times.from_epoch(_seconds(entry["Initiated"])))
        if not page.get("IsTruncated"):
            return
        marker = {"KeyMarker": page.get("NextKeyMarker"), "UploadIdMarker": page.get("NextUploadIdMarker")}
        if not marker["KeyMarker"] or marker.items() <= query.items():
            raise StoreError(f"The store cut the listing of uploads of {prefix} off.")
        query |= {name: value for name, value in marker.items() if value}


def abort(store: Store, upload: Upload) -> None:
    """Let the store remove its parts; one that is gone already is fine."""
    try:
        with store.asking("abort the upload of", upload.key) as client:
            client.abort_multipart_upload(Bucket=store.settings.bucket, Key=upload.key, UploadId=upload.id)
    except MissingError:
        return


def _seconds(moment: Any) -> float:
    """The connection gives listings in seconds since 1970; other forms come as botocore reads them."""
    return moment.timestamp() if isinstance(moment, datetime) else float(moment)
