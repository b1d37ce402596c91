"""The certificates of a base backup hold for what they are made for, and for nothing else."""

from __future__ import annotations

import socket
import ssl
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from ansible_collections.hustlex.platform.plugins.plugin_utils import certificates
from cryptography import x509

HOST = "postgres-0.shop.svc.cluster.local"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in certificates.mutual(["*.shop.svc.cluster.local"], "backup", 3650).items():
        (tmp_path / name).write_text(text)
    return tmp_path


def greet(folder: Path, host: str, client: tuple[str, str] | None, ca: Path) -> str:
    """What a server answers to a client of that certificate; the common name that it saw."""
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(folder / "ca.crt"))
    server.verify_mode = ssl.CERT_REQUIRED
    server.load_cert_chain(folder / "server.crt", folder / "server.key")
    context = ssl.create_default_context(cafile=str(ca))
    if client:
        context.load_cert_chain(*client)
    ours, theirs = socket.socketpair()

    def answer() -> None:
        try:
            with server.wrap_socket(theirs, server_side=True) as connection:
                subject = connection.getpeercert()["subject"]  # type: ignore[index]
                connection.sendall(str(subject[0][0][1]).encode())  # type: ignore[index]
        except (ssl.SSLError, OSError):
            theirs.close()

    thread = threading.Thread(target=answer)
    thread.start()
    try:
        with context.wrap_socket(ours, server_hostname=host) as connection:
            return connection.recv(100).decode()
    finally:
        ours.close()
        thread.join(10)


def pair(folder: Path, name: str) -> tuple[str, str]:
    return str(folder / f"{name}.crt"), str(folder / f"{name}.key")


def test_client_and_server_trust_each_other(folder: Path) -> None:
    assert greet(folder, HOST, pair(folder, "client"), folder / "ca.crt") == "backup"


@pytest.mark.parametrize(
    "host", ["postgres-0.other.svc.cluster.local", "a.postgres-0.shop.svc.cluster.local", "postgres-0"]
)
def test_another_name_is_refused(folder: Path, host: str) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        greet(folder, host, pair(folder, "client"), folder / "ca.crt")


@pytest.mark.parametrize("client", ["server", None])
def test_who_is_no_client_gets_no_answer(folder: Path, client: str | None) -> None:
    try:
        answer = greet(folder, HOST, pair(folder, client) if client else None, folder / "ca.crt")
    except (ssl.SSLError, OSError):
        return
    assert answer == ""


def test_two_sets_do_not_trust_each_other(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.crt"
    other.write_text(certificates.mutual(["*.shop.svc.cluster.local"], "backup", 3650)["ca.crt"])
    with pytest.raises(ssl.SSLCertVerificationError):
        greet(folder, HOST, pair(folder, "client"), other)


def test_validity_begins_an_hour_earlier() -> None:
    now = datetime(2026, 11, 24, 3, tzinfo=UTC)
    for name, text in certificates.mutual(["a.b"], "backup", 10, now).items():
        if name.endswith(".crt"):
            certificate = x509.load_pem_x509_certificate(text.encode())
            assert certificate.not_valid_before_utc == now - timedelta(hours=1)
            assert certificate.not_valid_after_utc == now - timedelta(hours=1) + timedelta(days=10)
