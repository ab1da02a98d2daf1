"""Self-signed certificates for servers on this machine."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta, timezone
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import TYPE_CHECKING

from ..config.files import write_atomic

if TYPE_CHECKING:
    from cryptography.x509 import GeneralName

_VALID = timedelta(days=825)  # the longest that Apple's systems accept


def make_self_signed(certificate: Path, key: Path, hosts: Iterable[str]) -> None:
    """Write a new key (0600) and a certificate for these names and addresses; raises NotWritableError."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    private = ec.generate_private_key(ec.SECP256R1())
    public = private.public_key()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mlx tracking server")])
    now = datetime.now(timezone.utc)
    identifier = x509.SubjectKeyIdentifier.from_public_key(public)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))  # clocks differ
        .not_valid_after(now + _VALID)
        .add_extension(x509.SubjectAlternativeName([_general(host) for host in hosts]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(identifier, critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False
        )
    )
    signed = builder.sign(private, hashes.SHA256())
    pem = serialization.Encoding.PEM
    plain = serialization.NoEncryption()
    write_atomic(key, private.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
    write_atomic(certificate, signed.public_bytes(pem))


def is_self_signed(certificate: Path) -> bool:
    """Say whether the first certificate of a PEM file names itself as its issuer; raises ValueError for none."""
    from cryptography import x509

    found = x509.load_pem_x509_certificate(certificate.read_bytes())
    return found.issuer == found.subject


def _general(host: str) -> GeneralName:
    from cryptography import x509

    address = _address(host)
    return x509.DNSName(host) if address is None else x509.IPAddress(address)


def _address(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None
