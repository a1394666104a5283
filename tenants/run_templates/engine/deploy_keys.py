"""Keys for ssh hosts: a pair of our own for one repository, and how people tell keys apart."""

import hashlib
from base64 import b64decode, b64encode

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat


def new_pair(comment: str) -> tuple[str, str]:
    """(private, public): ed25519 as OpenSSH writes them; the public one is a line that ends with the comment."""
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    return private.decode(), f"{public.decode()} {comment}"


def fingerprint_of(public: str) -> str:
    """As `ssh-keygen -l` and the hosts' own pages have it: SHA256:…"""
    digest = hashlib.sha256(b64decode(public.split()[1])).digest()
    return f"SHA256:{b64encode(digest).decode().rstrip('=')}"
