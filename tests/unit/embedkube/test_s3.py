import base64
import json
from pathlib import Path

import pytest
from embedkube import pki, s3
from embedkube.config import Cluster, Paths


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    found = Paths("demo", tmp_path / "cache", tmp_path)
    pki.ensure(found.pki, Cluster("demo"))
    s3.write_credentials(found)
    return found


def test_credentials_are_private_and_made_once(paths: Paths) -> None:
    files = [paths.s3 / name for name in ("admin-credentials", "credentials", "ca.crt")]
    assert all(file.stat().st_mode & 0o777 == 0o600 for file in files)
    before = [file.read_bytes() for file in files]
    s3.write_credentials(paths)
    assert [file.read_bytes() for file in files] == before


def test_a_lost_file_is_missed_and_made_again(paths: Paths) -> None:
    kept = (paths.s3 / "credentials").read_text()
    (paths.s3 / "admin-credentials").unlink()
    assert not s3.is_complete(paths, Cluster("demo"))
    s3.write_credentials(paths)
    assert s3.is_complete(paths, Cluster("demo"))
    assert (paths.s3 / "credentials").read_text() == kept


def test_a_cluster_without_the_server_needs_no_files(tmp_path: Path) -> None:
    assert s3.is_complete(Paths("demo", tmp_path, tmp_path), Cluster("demo", s3_port=0))


def test_the_server_knows_the_user_of_the_file_and_no_other(paths: Paths) -> None:
    users = json.loads(base64.b64decode(s3.manifest_values(paths)["s3_users"]))["accessAccounts"]
    assert list(users) == ["hustlex-backup"]
    assert users["hustlex-backup"]["role"] == "user"
    assert users["hustlex-backup"]["secret"] in (paths.s3 / "credentials").read_text()


def test_another_secret_is_another_checksum(paths: Paths) -> None:
    before = s3.manifest_values(paths)["s3_checksum"]
    assert s3.manifest_values(paths)["s3_checksum"] == before
    (paths.s3 / "credentials").unlink()
    s3.write_credentials(paths)
    assert s3.manifest_values(paths)["s3_checksum"] != before
