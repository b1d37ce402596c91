from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from cryptography import x509
from embedkube import pki
from embedkube.config import Cluster

NOW = datetime(2026, 11, 24, tzinfo=UTC)
CLUSTER = Cluster("demo")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    pki.ensure(tmp_path / "pki", CLUSTER, NOW)
    return tmp_path / "pki"


def read(folder: Path, name: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate((folder / f"{name}.crt").read_bytes())


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_certificates_last_ten_years(folder: Path) -> None:
    assert pki.ensure(folder, CLUSTER, NOW) == NOW + pki.LIFETIME


def test_nobody_else_may_read_a_key(folder: Path) -> None:
    assert all(path.stat().st_mode & 0o077 == 0 for path in folder.glob("*.key"))


def test_a_second_run_changes_nothing(folder: Path) -> None:
    before = contents(folder)
    pki.ensure(folder, CLUSTER, NOW + timedelta(days=100))
    assert contents(folder) == before


def test_everything_but_the_token_key_is_renewed_a_year_before_the_end(folder: Path) -> None:
    before = contents(folder)
    later = NOW + pki.LIFETIME - timedelta(days=364)
    assert pki.ensure(folder, CLUSTER, later) == later + pki.LIFETIME
    after = contents(folder)
    assert {name for name in before if before[name] == after[name]} == {"sa.key", "sa.pub"}


def test_a_lost_certificate_is_made_again_and_no_other(folder: Path) -> None:
    before = contents(folder)
    (folder / "admin.crt").unlink()
    pki.ensure(folder, CLUSTER, NOW)
    after = contents(folder)
    assert {name for name in before if before[name] != after[name]} == {"admin.crt", "admin.key"}


def test_a_new_node_gets_its_own(folder: Path) -> None:
    pki.ensure(folder, Cluster("demo", nodes=2), NOW)
    names = read(folder, "kubelet-n2-server").extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == ["10.210.0.12"]


def test_the_signer_is_the_right_authority(folder: Path) -> None:
    read(folder, "admin").verify_directly_issued_by(read(folder, "ca"))
    read(folder, "front-proxy-client").verify_directly_issued_by(read(folder, "front-proxy-ca"))


def test_the_kubeconfig_names_its_context_after_the_cluster(folder: Path) -> None:
    config = yaml.safe_load(pki.kubeconfig(folder, "admin", "https://127.0.0.1:6443", "demo"))
    assert config["current-context"] == "demo"
    assert config["clusters"][0]["cluster"]["server"] == "https://127.0.0.1:6443"


def test_private_files_are_whole_and_private(tmp_path: Path) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text("old")
    assert pki.write_private(path, "new")
    assert path.stat().st_mode & 0o777 == 0o600
    assert not pki.write_private(path, "new")
