"""The certificate that the processes of one stack know each other by: Kafka and Connect talk to nobody who does not show it.

It stands before the data's way. Every user of a machine reaches what listens on loopback; who may not read this file, which
its owner alone may, gets no further than the handshake, and who listens in a server's place is told nothing (ADR 0028).
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from connectors.local.folder import HOST, StackFolder

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.x509 import Certificate, KeyUsage

VALID: Final = (dt.datetime(2000, 1, 1, tzinfo=dt.UTC), dt.datetime(2100, 1, 1, tzinfo=dt.UTC))
"""A stack outlives any year, and a machine's clock may be wrong: what ends the certificate's life is the folder's end."""


def made(folder: StackFolder) -> Path:
    """The PEM file with the stack's key and certificate; made at the first call."""
    file = folder.tls_file
    if not file.exists():
        from cryptography.hazmat.primitives import serialization as form

        key, certificate = _new()
        private = key.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption())
        _write(file, private + certificate.public_bytes(form.Encoding.PEM))
    return file


def keystore(folder: StackFolder, file: Path, password: str) -> None:
    """Write the same key and certificate as a PKCS 12 keystore: Connect's web server reads no PEM."""
    from cryptography.hazmat.primitives import serialization as form
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.serialization import pkcs12
    from cryptography.x509 import load_pem_x509_certificate

    pem = made(folder).read_bytes()
    key = form.load_pem_private_key(pem, None)
    if not isinstance(key, EllipticCurvePrivateKey):
        raise TypeError(f"{folder.tls_file} holds a key of another kind than it was made with")
    encryption = form.BestAvailableEncryption(password.encode())
    _write(file, pkcs12.serialize_key_and_certificates(b"stack", key, load_pem_x509_certificate(pem), None, encryption))


def _new() -> tuple[EllipticCurvePrivateKey, Certificate]:
    """A key, and a certificate that is its own authority: for the servers on loopback and for whoever talks to them."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "rewards stack")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), *VALID)
    usages = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])
    extensions: tuple[tuple[x509.ExtensionType, bool], ...] = (
        (x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(HOST))]), False),
        (x509.BasicConstraints(ca=True, path_length=0), True),
        (_key_usage(), True),
        (usages, False),
        (x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False),
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical=critical)
    return key, builder.sign(key, hashes.SHA256())


def _key_usage() -> KeyUsage:
    from cryptography.x509 import KeyUsage

    # To sign handshakes, and itself; Python asks authorities for it from 3.13 on.
    others = ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "crl_sign")
    never = dict.fromkeys((*others, "encipher_only", "decipher_only"), False)
    return KeyUsage(digital_signature=True, key_cert_sign=True, **never)


def _write(path: Path, content: bytes) -> None:
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
    partial.replace(path)
