"""The installation's own keys: from the environment, or a file with mode 600 in the data folder."""

import json
import os
import secrets
from pathlib import Path

from cryptography.fernet import Fernet
from django.core.exceptions import ImproperlyConfigured

from zenpro_site.env import check_fernet

HINT = (
    "ZenPro has no keys. Run `zenpro up` once (it creates {file}), "
    "or set ZENPRO_SECRET_KEY and ZENPRO_SECRET_KEYS in the environment."
)
UNREADABLE = "ZenPro's keys in {file} cannot be read. Run this as ZenPro's account, or restore the file."
NAMES = ("ZENPRO_SECRET_KEY", "ZENPRO_SECRET_KEYS")


def new_keys() -> dict:
    return {"secret_key": secrets.token_urlsafe(50), "secret_keys": [Fernet.generate_key().decode()]}


def make_keys(file: Path) -> None:
    """Write a fresh key file that only its owner can read; an existing one is left alone."""
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return
    with os.fdopen(handle, "w") as stream:
        json.dump(new_keys(), stream)


def are_in_environment() -> bool:
    """True when the keys do not come from the file."""
    return all(os.environ.get(name) or os.environ.get(f"{name}_FILE") for name in NAMES)


def load_keys(env, file: Path, *, only_looking: bool = False) -> tuple[str, list[str]]:
    """(Django's secret key, Fernet keys with the newest first). Fails with a hint when there are none.

    `only_looking`: for a command that says what is wrong; without usable keys it gets some that open nothing.
    """
    secret_key, keys = env("ZENPRO_SECRET_KEY", default=""), env.list("ZENPRO_SECRET_KEYS", default=[])
    if bool(secret_key) != bool(keys):
        raise ImproperlyConfigured("Set both ZENPRO_SECRET_KEY and ZENPRO_SECRET_KEYS, or neither.")
    if keys:
        check_fernet("ZENPRO_SECRET_KEYS", keys)
        return secret_key, keys
    try:
        return _from(file)
    except ImproperlyConfigured:
        if not only_looking:
            raise
        keys = new_keys()
        return keys["secret_key"], keys["secret_keys"]


def _from(file: Path) -> tuple[str, list[str]]:
    try:
        keys = json.loads(file.read_text())
        found = str(keys["secret_key"]), list(keys["secret_keys"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        hint = HINT if isinstance(error, FileNotFoundError) else UNREADABLE
        raise ImproperlyConfigured(hint.format(file=file)) from error
    check_fernet(str(file), found[1])
    return found
