"""The installation's own keys: from the environment, or a file with mode 600 in the data folder."""

import json
import os
import secrets
from pathlib import Path

from cryptography.fernet import Fernet
from django.core.exceptions import ImproperlyConfigured

HINT = (
    "ZenPro has no keys. Run `zenpro up` once (it makes {file}), "
    "or set ZENPRO_SECRET_KEY and ZENPRO_SECRET_KEYS in the environment."
)


def make_keys(file: Path) -> None:
    """Write a fresh key file that only its owner can read; an existing one is left alone."""
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    keys = {"secret_key": secrets.token_urlsafe(50), "secret_keys": [Fernet.generate_key().decode()]}
    try:
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return
    with os.fdopen(handle, "w") as stream:
        json.dump(keys, stream)


def load_keys(env, file: Path) -> tuple[str, list[str]]:
    """(Django's secret key, Fernet keys with the newest first). Fails with a hint when there are none."""
    if env("ZENPRO_SECRET_KEY", default="") and env.list("ZENPRO_SECRET_KEYS", default=[]):
        return env("ZENPRO_SECRET_KEY"), env.list("ZENPRO_SECRET_KEYS")
    if not file.exists():
        raise ImproperlyConfigured(HINT.format(file=file))
    keys = json.loads(file.read_text())
    return keys["secret_key"], keys["secret_keys"]
