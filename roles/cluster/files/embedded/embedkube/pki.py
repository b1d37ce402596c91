"""Keys, certificates and kubeconfig files of one cluster."""

from __future__ import annotations

import base64
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from .config import API_SERVICE_ADDRESS, CLUSTER_DOMAIN, S3_NAMESPACE, Cluster, Node

LIFETIME = timedelta(days=3650)
RENEW_BEFORE = timedelta(days=365)

CA = "ca"
FRONT_PROXY_CA = "front-proxy-ca"
S3 = "s3"


@dataclass(frozen=True)
class Subject:
    """One certificate: its file name, who it names, who signs it, where it serves."""

    file: str
    common_name: str
    organization: str = ""
    issuer: str = CA
    server: tuple[str | IPv4Address, ...] = ()


def subjects(cluster: Cluster) -> list[Subject]:
    api_names = (
        cluster.control_plane.address,
        IPv4Address("127.0.0.1"),
        API_SERVICE_ADDRESS,
        "localhost",
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        f"kubernetes.default.svc.{CLUSTER_DOMAIN}",
    )
    service = f"s3.{S3_NAMESPACE}.svc"
    s3_names = (f"{service}.{CLUSTER_DOMAIN}", service, "localhost", IPv4Address("127.0.0.1"))
    fixed = [
        Subject("apiserver", "kube-apiserver", server=api_names),
        Subject("apiserver-kubelet-client", "kube-apiserver-kubelet-client", "system:masters"),
        Subject("front-proxy-client", "front-proxy-client", issuer=FRONT_PROXY_CA),
        Subject("admin", "kubernetes-admin", "system:masters"),
        Subject("controller-manager", "system:kube-controller-manager"),
        Subject("scheduler", "system:kube-scheduler"),
        Subject("kube-proxy", "system:kube-proxy"),
        Subject("kube-router", "embedded:kube-router"),
        Subject(S3, "s3", server=s3_names),
    ]
    for node in cluster.all_nodes:
        fixed.append(Subject(kubelet_client(node), f"system:node:{node.name}", "system:nodes"))
        fixed.append(Subject(kubelet_server(node), f"system:node:{node.name}", server=(node.name, node.address)))
    return fixed


def kubelet_client(node: Node) -> str:
    return f"kubelet-{node.name}"


def kubelet_server(node: Node) -> str:
    return f"kubelet-{node.name}-server"


def ensure(folder: Path, cluster: Cluster, now: datetime | None = None) -> datetime:
    """Make what is missing in `folder`, everything anew when it runs out soon; return the earliest expiry.

    The service account key has no expiry and is kept: tokens signed with it stay valid.
    """
    now = now or datetime.now(UTC)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not (folder / "sa.key").exists():
        _write_service_account_key(folder)
    authorities = (CA, FRONT_PROXY_CA)
    if any(_expires(folder, name) - now < RENEW_BEFORE for name in authorities):
        for stale in folder.glob("*.crt"):
            stale.unlink()
        for name in authorities:
            _write_authority(folder, name, now)
    for subject in subjects(cluster):
        if _expires(folder, subject.file) - now < RENEW_BEFORE:
            _write_certificate(folder, subject, now)
    return min(_expires(folder, name) for name in (*authorities, *(s.file for s in subjects(cluster))))


def kubeconfig(folder: Path, subject: str, server: str, context: str) -> str:
    """A kubeconfig with everything inline, as YAML text."""

    def inline(name: str) -> str:
        return base64.b64encode((folder / name).read_bytes()).decode()

    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {
                    "name": context,
                    "cluster": {"server": server, "certificate-authority-data": inline(f"{CA}.crt")},
                }
            ],
            "users": [
                {
                    "name": context,
                    "user": {
                        "client-certificate-data": inline(f"{subject}.crt"),
                        "client-key-data": inline(f"{subject}.key"),
                    },
                }
            ],
            "contexts": [{"name": context, "context": {"cluster": context, "user": context}}],
            "current-context": context,
        },
        sort_keys=False,
    )


def write_private(path: Path, content: bytes | str) -> bool:
    """Write a file that only its owner may read, whole or not at all; tell whether its content changed."""
    data = content.encode() if isinstance(content, str) else content
    if path.exists() and path.read_bytes() == data and path.stat().st_mode & 0o077 == 0:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    partial.unlink(missing_ok=True)
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)
    partial.replace(path)
    return True


def _expires(folder: Path, name: str) -> datetime:
    certificate, key = folder / f"{name}.crt", folder / f"{name}.key"
    if not (certificate.exists() and key.exists()):
        return datetime.min.replace(tzinfo=UTC)
    return x509.load_pem_x509_certificate(certificate.read_bytes()).not_valid_after_utc


def _private_pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write_service_account_key(folder: Path) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    write_private(folder / "sa.pub", public)
    write_private(folder / "sa.key", _private_pem(key))


def _name(common_name: str, organization: str = "") -> x509.Name:
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
    if organization:
        attributes.insert(0, x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization))
    return x509.Name(attributes)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        # A machine whose clock was set back after the start must still accept its certificates.
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + LIFETIME)
    )


def _key_usage(authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=not authority,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )


def _write_authority(folder: Path, name: str, now: datetime) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _name(f"embedded-{name}")
    certificate = (
        _builder(subject, subject, key, now)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(authority=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    _write_pair(folder, name, key, certificate)


def _write_certificate(folder: Path, subject: Subject, now: datetime) -> None:
    issuer = x509.load_pem_x509_certificate((folder / f"{subject.issuer}.crt").read_bytes())
    issuer_key = serialization.load_pem_private_key((folder / f"{subject.issuer}.key").read_bytes(), None)
    if not isinstance(issuer_key, ec.EllipticCurvePrivateKey):
        raise TypeError(f"{subject.issuer}.key is not an elliptic curve key")
    key = ec.generate_private_key(ec.SECP256R1())
    builder = (
        _builder(_name(subject.common_name, subject.organization), issuer.subject, key, now)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(authority=False), critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
    )
    if subject.server:
        builder = builder.add_extension(
            x509.SubjectAlternativeName(_alternative_names(subject.server)), critical=False
        ).add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    else:
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
    _write_pair(folder, subject.file, key, builder.sign(issuer_key, hashes.SHA256()))


def _alternative_names(names: Sequence[str | IPv4Address]) -> list[x509.GeneralName]:
    return [x509.DNSName(name) if isinstance(name, str) else x509.IPAddress(name) for name in names]


def _write_pair(folder: Path, name: str, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> None:
    # The certificate last: it is what tells that the pair is complete.
    (folder / f"{name}.crt").unlink(missing_ok=True)
    write_private(folder / f"{name}.key", _private_pem(key))
    write_private(folder / f"{name}.crt", certificate.public_bytes(serialization.Encoding.PEM))
