"""Where a webhook may go: an https address outside of this machine and its network, unless a setting names its host.

The text is looked at when it is saved; the IP address it leads to, whenever something is sent (sending.py).
"""

import socket
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import SplitResult, urlsplit

from django.conf import settings

from zenpro_site.common.addresses import bracketed
from zenpro_site.common.refusals import Refused

LONGEST = 500
PUBLIC = ip_network("2000::/3")  # all that is given to anybody (RFC 4291)
TRANSLATED = ip_network("64:ff9b::/96")  # IPv4 inside IPv6 (RFC 6052)
NO_ADDRESS = "Enter an address such as https://hooks.example.org/runs."
NO_HTTPS = "The address must begin with https://."
NO_PASSWORD = "Leave the user name and password out of the address: what is sent is signed."  # noqa: S105
INNER = "Webhooks can't go to addresses inside ZenPro's machine or network."


def checked(text: str) -> SplitResult:
    """The parts of an address that a webhook may have. Raises Refused with a sentence for its field.

    A name is not looked up here: what it leads to can change at any time.
    """
    parts = _parts(text)
    if parts.username is not None or parts.password is not None:
        raise Refused(NO_PASSWORD)
    if parts.scheme != "https" and not (parts.scheme == "http" and is_allowed(parts.hostname)):
        raise Refused(NO_HTTPS)
    with suppress(ValueError):
        if not may_reach(parts.hostname, str(ip_address(parts.hostname))):
            raise Refused(INNER)
    return parts


def _parts(text: str) -> SplitResult:
    if len(text) > LONGEST or not text.isascii() or not text.isprintable() or " " in text or "\\" in text:
        raise Refused(NO_ADDRESS)
    try:
        parts = urlsplit(text)
        fine = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0 and not parts.fragment
    except ValueError:
        fine = False
    if not fine:
        raise Refused(NO_ADDRESS)
    return parts


def host_of(parts: SplitResult) -> str:
    """For people: the host, and the port where it is not the usual one."""
    return bracketed(parts.hostname) + (f":{parts.port}" if parts.port else "")


def is_allowed(host: str) -> bool:
    """Did whoever runs ZenPro name this host?"""
    return host.lower() in settings.ZENPRO_WEBHOOK_HOSTS


def may_reach(host: str, address: str) -> bool:
    """May a webhook for `host` be sent to this IP address?"""
    return is_allowed(host) or not (is_inner(address) or is_own(address))


def is_inner(address: str) -> bool:
    """Is it anything but an address of the public internet? Also those that only wrap one that is not."""
    found = ip_address(address.partition("%")[0])
    is_public = all(one.is_global and not one.is_multicast for one in (found, *_wrapped(found)))
    return _is_odd(found) or not is_public


def _is_odd(found: IPv4Address | IPv6Address) -> bool:
    """Is it an IPv6 address outside of those that the internet uses, such as an old form or one of a single network?"""
    return found.version == 6 and not (found in PUBLIC or found in TRANSLATED or found.ipv4_mapped)


def _wrapped(found: IPv4Address | IPv6Address) -> list[IPv4Address]:
    if found.version == 4:
        return []
    inside = [found.ipv4_mapped, found.sixtofour, *(found.teredo or ())]
    if found in TRANSLATED:
        inside.append(IPv4Address(int(found) & 0xFFFFFFFF))
    return [one for one in inside if one is not None]


def is_own(address: str) -> bool:
    """Does this machine itself have the address? Nothing is sent to find out: the system only chooses a way."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((address, 9))
            return probe.getsockname()[0] == address
    except OSError:
        return False
