"""What must never be read in a log: links and keys that let someone in."""

import re

LETS_IN = re.compile(
    r"(?i)((?:/|%2F)(?:invite|first-sign-in|accounts/confirm-email|accounts/password/reset/key"
    r"|accounts%2Fconfirm-email|accounts%2Fpassword%2Freset%2Fkey)(?:/|%2F))"
    r"[^?&\s\"'\\]+"
)
IN_QUERY = re.compile(
    r"(?i)((?:[?&]|%3F|%26)(?:code|token|key|state|user_code|device_code|client_secret|password)(?:=|%3D))"
    r"(?:(?!%26)[^&\s\"'\\])+"
)
KEYS = re.compile(r"\b(ZENPROKEY_|zp[a-z]_)[A-Za-z0-9_-]{8,}")


def without_tokens(logger, name: str, event: dict) -> dict:
    """structlog processor: tokens in every text of the event, at any depth, become an ellipsis."""
    return {key: _masked(value) for key, value in event.items()}


def _masked(value):
    if isinstance(value, dict):
        return {_masked(key): _masked(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | set):
        return [_masked(inner) for inner in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    text = value if isinstance(value, str) else repr(value)  # as JSONRenderer would write it
    return KEYS.sub(r"\1…", IN_QUERY.sub(r"\1…", LETS_IN.sub(r"\1…", text)))
