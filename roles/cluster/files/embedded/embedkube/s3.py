"""The S3 server of a cluster: who may use it, and how to reach it."""

from __future__ import annotations

import base64
import configparser
import hashlib
import json
import secrets
import socket
import ssl
from pathlib import Path

from .config import Cluster, Paths

ROOT = "root"
BACKUP_USER = "hustlex-backup"
ADMIN_FILE = "admin-credentials"
USER_FILE = "credentials"
CA_FILE = "ca.crt"


def is_complete(paths: Paths, cluster: Cluster) -> bool:
    return not cluster.s3_port or all((paths.s3 / name).exists() for name in (ADMIN_FILE, USER_FILE, CA_FILE))


def write_credentials(paths: Paths) -> None:
    """Make what is missing in the cluster's folder `s3`: the files that AWS's programs and libraries read."""
    from . import pki

    paths.s3.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name, user in ((ADMIN_FILE, ROOT), (USER_FILE, BACKUP_USER)):
        if not (paths.s3 / name).exists():
            # Hexadecimal: whatever reads the file, no character needs quotes.
            text = f"[default]\naws_access_key_id = {user}\naws_secret_access_key = {secrets.token_hex(20)}\n"
            pki.write_private(paths.s3 / name, text)
    pki.write_private(paths.s3 / CA_FILE, (paths.pki / "ca.crt").read_bytes())


def manifest_values(paths: Paths) -> dict[str, str]:
    """What the server's manifests need besides what all add-ons know."""
    from . import pki

    certificate = (paths.pki / f"{pki.S3}.crt").read_bytes()
    key = (paths.pki / f"{pki.S3}.key").read_bytes()
    root_name, root_secret = _credentials(paths.s3 / ADMIN_FILE)
    users = _users(*_credentials(paths.s3 / USER_FILE)).encode()
    values = {
        "s3_certificate": certificate,
        "s3_key": key,
        "s3_root_name": root_name.encode(),
        "s3_root_secret": root_secret.encode(),
        "s3_users": users,
    }
    # The server reads its files at its start only; another checksum replaces its pod.
    checksum = hashlib.sha256(b"\0".join(values.values())).hexdigest()[:16]
    return {name: base64.b64encode(value).decode() for name, value in values.items()} | {"s3_checksum": checksum}


def _credentials(file: Path) -> tuple[str, str]:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string(file.read_text())
    section = parser["default"]
    return section["aws_access_key_id"], section["aws_secret_access_key"]


def _users(name: str, secret: str) -> str:
    """The server's file of users: one that may use buckets as their policies say, and make none."""
    account = {"access": name, "secret": secret, "role": "user", "userID": 0, "groupID": 0, "projectID": 0}
    return json.dumps({"accessAccounts": {name: account}})


def unreachable(paths: Paths, cluster: Cluster) -> list[str]:
    """Why the server does not answer on its port, through each node in turn; nothing when it does."""
    if not cluster.s3_port:
        return []
    trust = ssl.create_default_context(cafile=str(paths.s3 / CA_FILE))
    try:
        # Twice each: a connection goes to the next node, and to another one when that refuses.
        for _turn in range(2 * cluster.nodes):
            with socket.create_connection(("127.0.0.1", cluster.s3_port), timeout=5) as plain:
                trust.wrap_socket(plain, server_hostname="localhost").close()
    except OSError as error:
        return [f"s3: port {cluster.s3_port} does not answer ({error})"]
    return []
