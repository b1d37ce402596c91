# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The connection to a store, and what its failures mean."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

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

from .errors import MissingError, StoreError

_MISSING = frozenset({"NoSuchKey", "NoSuchUpload", "NotFound", "404"})
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


class ConflictError(StoreError):
    """A conditional request met another state."""


def connect(settings: StoreSettings, attempts: int) -> Any:
    """A client of botocore for the one bucket."""
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


@contextlib.contextmanager
def explained(settings: StoreSettings, verb: str, what: str) -> Iterator[None]:
    """What goes wrong inside becomes a StoreError of one sentence."""
    where = settings.endpoint or "AWS S3"
    try:
        yield
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", "unknown"))
        if code in _MISSING:
            raise MissingError(f"{what} is not in the bucket {settings.bucket}.") from None
        if code in _EXISTS:
            raise ConflictError(f"{what} was changed by another run.") from None
        text = _SENTENCES.get(code, "The store could not {verb} {what} ({code}). Try again later.")
        raise StoreError(text.format(verb=verb, what=what, code=code, bucket=settings.bucket)) from None
    except NoCredentialsError:
        raise StoreError("There are no credentials for the store. Set the credentials file.") from None
    except SSLError:
        raise StoreError(f"The certificate of {where} is not trusted. Check the CA file.") from None
    except (BotoConnectionError, HTTPClientError, OSError) as error:
        raise StoreError(f"The store {where} does not answer ({type(error).__name__}). Try again later.") from None
    except BotoCoreError as error:
        raise StoreError(f"The settings of the store cannot be used ({type(error).__name__}).") from None


def _timestamp(value: Any) -> Any:
    """Seconds since 1970 for the form of listings; botocore's own reading for all others."""
    if isinstance(value, str) and value[-1:] == "Z" and value[4:5] == "-":
        return datetime.fromisoformat(value).timestamp()
    return parse_timestamp(value)
