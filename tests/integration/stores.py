"""Two real S3 servers on loopback, both with TLS: what works on one alone may be luck.

The fixture `store` runs a test on each of them, `versitygw` and `seaweedfs` on that one alone.
"""

import json
import os
import secrets
import shutil
import sysconfig
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from embedkube import build, pki
from embedkube.config import Cluster, Paths
from servers import Process, answers, free_port, wait_for

REGION = "us-east-1"
ROOT, USER, STRANGER = "root", "hustlex-backup", "stranger"
BUCKET_ACTIONS = (
    "GetBucketLocation",
    "GetBucketVersioning",
    "ListBucket",
    "ListBucketMultipartUploads",
    "ListBucketVersions",
)
OBJECT_ACTIONS = ("AbortMultipartUpload", "DeleteObject", "GetObject", "ListMultipartUploadParts", "PutObject")


class Store(Process):
    """An S3 server with three users: `root` may do everything, `hustlex-backup` uses buckets, `stranger` none."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.endpoint = f"https://localhost:{self.port}"
        pki.ensure(folder / "pki", Cluster("test"))
        self.ca_file = folder / "pki" / "ca.crt"
        self.certificate, self.key = folder / "pki" / "s3.crt", folder / "pki" / "s3.key"
        self.secrets = {name: secrets.token_hex(20) for name in (ROOT, USER, STRANGER)}
        for name, secret in self.secrets.items():
            file = self.credentials_file(name)
            file.touch(mode=0o600)
            file.write_text(f"[default]\naws_access_key_id = {name}\naws_secret_access_key = {secret}\n")
        super().__init__(self.prepare(), self.environment(), self.port, folder / "log")
        self.start()

    def prepare(self) -> list[str]:
        """Write the server's own files; returns its command."""
        raise NotImplementedError

    def environment(self) -> dict[str, str]:
        return dict(os.environ)

    def credentials_file(self, user: str = USER) -> Path:
        return self.folder / f"credentials-{user}"

    def settings(self, bucket: str, user: str = USER) -> dict[str, Any]:
        """The fields of StoreSettings."""
        return {
            "bucket": bucket,
            "endpoint": self.endpoint,
            "region": REGION,
            "ca_file": str(self.ca_file),
            "path_style": True,
            "credentials_file": str(self.credentials_file(user)),
        }

    def client(self, user: str = ROOT) -> Any:
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            verify=str(self.ca_file),
            region_name=REGION,
            aws_access_key_id=user,
            aws_secret_access_key=self.secrets[user],
            # Checksums behind the content make versitygw answer before it has read all, and then cut the connection.
            config=Config(
                s3={"addressing_style": "path"},
                retries={"total_max_attempts": 3},
                request_checksum_calculation="when_required",
            ),
        )

    def make_bucket(self, versioning: bool = False, lock: bool = False) -> str:
        """A new bucket that `hustlex-backup` may use; `lock` enables Object Lock, which implies versioning."""
        name = f"test-{uuid.uuid4().hex[:12]}"
        client = self.client()
        client.create_bucket(Bucket=name, **({"ObjectLockEnabledForBucket": True} if lock else {}))
        if versioning and not lock:
            client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
        self.allow(name)
        return name

    def allow(
        self, bucket: str, on_bucket: Sequence[str] = BUCKET_ACTIONS, on_objects: Sequence[str] = OBJECT_ACTIONS
    ) -> None:
        """Say what `hustlex-backup` may do in the bucket."""
        principal = {"Effect": "Allow", "Principal": {"AWS": [USER]}}
        statements = [
            principal | {"Action": [f"s3:{action}" for action in actions], "Resource": f"arn:aws:s3:::{resource}"}
            for actions, resource in ((on_bucket, bucket), (on_objects, f"{bucket}/*"))
            if actions
        ]
        policy = {"Version": "2012-10-17", "Statement": statements}
        self.client().put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))


class Versitygw(Store):
    """The server of the embedded cluster: policies decide, no lifecycle, no encryption."""

    def prepare(self) -> list[str]:
        binary = build.artifacts(Paths("test")).s3 / "versitygw"
        assert binary.exists(), "the S3 server is not compiled yet: run tests/run cluster first"
        accounts = {name: {"access": name, "secret": self.secrets[name], "role": "user"} for name in (USER, STRANGER)}
        for name in ("users", "buckets", "versions"):
            (self.folder / name).mkdir()
        (self.folder / "users" / "users.json").write_text(json.dumps({"accessAccounts": accounts}))
        gateway = [str(binary), f"--port=127.0.0.1:{self.port}", f"--region={REGION}", "--quiet"]
        gateway += [f"--cert={self.certificate}", f"--key={self.key}", f"--iam-dir={self.folder / 'users'}"]
        return [*gateway, "posix", f"--versioning-dir={self.folder / 'versions'}", str(self.folder / "buckets")]

    def environment(self) -> dict[str, str]:
        return {**os.environ, "ROOT_ACCESS_KEY_ID": ROOT, "ROOT_SECRET_ACCESS_KEY": self.secrets[ROOT]}


class Seaweedfs(Store):
    """Has lifecycle, encryption and AWS's limit of 1,000 keys; its users' rights are fixed, not the buckets'."""

    def prepare(self) -> list[str]:
        weed = shutil.which("weed") or str(Path(sysconfig.get_path("scripts"), "weed"))
        (self.folder / "data").mkdir()
        actions = {ROOT: ["Admin", "Read", "Write", "List", "Tagging"], USER: ["Read", "Write", "List"], STRANGER: []}
        identities = [
            {"name": name, "credentials": [{"accessKey": name, "secretKey": self.secrets[name]}], "actions": granted}
            for name, granted in actions.items()
        ]
        (self.folder / "users.json").write_text(json.dumps({"identities": identities}))
        options: dict[str, Any] = {
            "dir": self.folder / "data",
            "ip": "127.0.0.1",
            "ip.bind": "127.0.0.1",
            "admin.ui": "false",
            "webdav": "false",
            "master.telemetry": "false",
            "master.volumeSizeLimitMB": 64,
            "s3.config": self.folder / "users.json",
            "s3.port": free_port(),
            "s3.port.https": self.port,
            "s3.port.iceberg": 0,
            "s3.port.lance": 0,
            "s3.cert.file": self.certificate,
            "s3.key.file": self.key,
        }
        for part in ("admin", "filer", "master", "volume"):
            options[f"{part}.port"] = free_port()
        for part in ("admin", "filer", "master", "s3", "volume"):
            options[f"{part}.port.grpc"] = free_port()
        return [weed, "-logtostderr", "mini", *(f"-{name}={value}" for name, value in options.items())]

    def start(self) -> None:
        super().start()
        wait_for(self._makes_buckets, 60, "SeaweedFS makes buckets")

    def _makes_buckets(self) -> bool:
        try:
            self.client().head_bucket(Bucket="absent")
        except Exception as error:  # noqa: BLE001 - every way of not being ready counts
            return "404" in str(error) and answers(self.port)
        return False

    def allow(
        self, bucket: str, on_bucket: Sequence[str] = BUCKET_ACTIONS, on_objects: Sequence[str] = OBJECT_ACTIONS
    ) -> None:
        """Nothing to do: its users' file allows it."""


SERVERS: dict[str, type[Store]] = {"versitygw": Versitygw, "seaweedfs": Seaweedfs}
