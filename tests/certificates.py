"""A company's own certificates: an authority that no machine knows, and a server that has one from it."""

import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat


def company_in(tmp_path):
    """(TLS of a server whose certificate no machine knows, file with what makes it known)."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    issuer = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Acme")])
    issuer_key = ec.generate_private_key(ec.SECP256R1())
    authority = signed(
        issuer, issuer, issuer_key, issuer_key, x509.BasicConstraints(ca=True, path_length=None)
    )
    here = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    server, ours = tmp_path / "server.pem", tmp_path / "company" / "ca.pem"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    server.write_bytes(private + signed(name, issuer, key, issuer_key, here))
    ours.parent.mkdir()
    ours.write_bytes(authority)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(server)
    return tls, ours


def signed(subject, issuer, key, by, extension) -> bytes:
    now = datetime.now(UTC)
    made = x509.CertificateBuilder(issuer, subject, key.public_key(), x509.random_serial_number())
    made = made.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    return made.add_extension(extension, critical=True).sign(by, SHA256()).public_bytes(Encoding.PEM)
