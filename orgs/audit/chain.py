"""The hash that ties an audit event to the one before it. Works on plain values; knows no database."""

import json
from datetime import UTC
from decimal import Decimal
from fractions import Fraction
from hashlib import sha256
from ipaddress import ip_address

# What an entry swears to. A column that is added later must not join: hashes of old entries would change.
TEXTS = (
    "number",
    "uuid",
    "organization_key",
    "actor_key",
    "actor_label",
    "action",
    "target_type",
    "target_id",
    "target_label",
    "outcome",
    "via",
    "request_id",
    "previous_hash",
)


def digest(event) -> str:
    """SHA-256 of everything an event records and of the hash before it, as 64 hexadecimal digits."""
    words = {name: str(getattr(event, name)) for name in TEXTS}
    words["at"] = event.at.astimezone(UTC).isoformat(timespec="microseconds")
    words["ip"] = _address(event.ip)
    words["before"], words["after"] = _plain(event.before), _plain(event.after)
    return sha256(json.dumps(words, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _address(ip) -> str:
    """Databases spell one IPv6 address in several ways."""
    try:
        return ip_address(ip).packed.hex() if ip else ""
    except ValueError:
        return str(ip)


def _plain(value):
    """JSON in one spelling. PostgreSQL gives 1e16 back as a whole number, so numbers become fractions."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int | float):
        return f"number {Fraction(Decimal(repr(value)))}"
    return f"text {value}"
