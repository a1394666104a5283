"""Encryption at rest of what must be readable later: secrets of tenants, mails that wait."""

import json

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings


class SecretsUnreadable(Exception):
    """None of the configured keys opens this value: a key was lost or replaced."""


def _fernet() -> MultiFernet:
    return MultiFernet([Fernet(key) for key in settings.ZENPRO_SECRET_KEYS])


def seal(values: dict[str, str]) -> str:
    """Encrypt a dictionary of strings with the first key."""
    return _fernet().encrypt(json.dumps(values).encode()).decode()


def unseal(sealed: str) -> dict[str, str]:
    """Decrypt what `seal` made, with any of the keys. Raises SecretsUnreadable."""
    try:
        return json.loads(_fernet().decrypt(sealed.encode()))
    except InvalidToken as error:
        raise SecretsUnreadable("Stored secrets cannot be read with the configured keys.") from error
