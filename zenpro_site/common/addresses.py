"""Addresses as others read them: our own pages, and a host with a port."""

from django.conf import settings


def full(path: str) -> str:
    """A path of ours as a whole address. From ZENPRO_URL: Host is what a caller writes, true or not."""
    return settings.ZENPRO_URL + path


def authority(host: str, port: int) -> str:
    """`host:port` as addresses and listeners want it: an IPv6 address in brackets."""
    return f"{bracketed(host)}:{port}"


def bracketed(host: str) -> str:
    """The host as a URL has it. `::1` becomes `[::1]`, everything else stays."""
    bare = host.strip("[]")
    return f"[{bare}]" if ":" in bare else host


def reachable(host: str) -> str:
    """An address this machine can call: 0.0.0.0 and :: are only for listening."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
