"""Checks of what others reach, and how: address, ports, mail."""

import json
import smtplib
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

import httpx
from django.conf import settings
from django.core.mail import EmailMessage, get_connection
from django.db import DatabaseError

from tenants.hosting.local.backend import port_free
from tenants.hosting.local.launch import started_at
from tenants.models import Tenant
from zenpro_site import running

from .database import is_there
from .findings import Finding, ok, problem, warning, words_of

KERNEL = Path("/proc/sys/net/ipv4")
WEB = ("127.0.0.1", 8000)  # of `zenpro up` when nothing else is asked for
NAMED, FEW = 5, 5
LIVE_TIMEOUT = 2.0  # seconds
EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104 - compared only
TEST_MAIL = "This is a test email from ZenPro at {url}. If you can read it, email works.\n"


def check_address() -> list[Finding]:
    """ZENPRO_URL, or what the last start made of it: where people, clients and servers of tenants reach us."""
    url = running.address()
    parts = urlsplit(url if is_address(url) else "")
    remedy = "Set ZENPRO_URL to the address that people type, such as https://zenpro.example.org."
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return [problem(f"ZENPRO_URL is not a web address: {url}", remedy)]
    if parts.path or parts.query or parts.username:
        return [
            problem(
                "ZENPRO_URL must be a scheme and a host, with a port if needed, and nothing else.", remedy
            )
        ]
    if parts.scheme == "http" and not is_here(parts.hostname):
        text = f"{url} is not encrypted: passwords and keys can be read in transit."
        return [problem(text, "Put a TLS proxy in front and set ZENPRO_URL=https://…")]
    return [ok(f"People reach ZenPro at {url}."), *_proxies(parts.scheme)]


def _proxies(scheme: str) -> list[Finding]:
    if scheme == "http" or settings.ZENPRO_PROXIES:
        return []
    text = "ZENPRO_PROXIES is 0: everyone behind the TLS proxy counts as one address."
    return [warning(text, "Set ZENPRO_PROXIES to the number of your proxies in front of ZenPro.")]


def is_address(url: str) -> bool:
    try:
        return urlsplit(url).port != 0
    except ValueError:
        return False


def is_here(host: str) -> bool:
    """True for names and addresses of this very machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


# -- ports


def check_ports() -> list[Finding]:
    ours = ours_by_port(settings.ZENPRO_DATA / "run")
    try:
        return [_web(ours), *(_tenants(ours) if settings.ZENPRO_LOCAL_TENANTS else [])]
    except OSError as error:
        text = f"ZenPro cannot listen there: {words_of(error)}"
        return [
            problem(
                text,
                "Check ZENPRO_TENANT_HOST and `zenpro up --host`: they must be addresses of this machine.",
            )
        ]


def ours_by_port(folder: Path) -> dict[int, str]:
    """Port -> name of our program that holds it, from the locks of what was started."""
    found = {}
    for lock in sorted(folder.glob("*.lock")):
        try:
            record = json.loads(lock.read_text())
            if record["port"] and started_at(record["pid"]) == record["started"]:
                found[record["port"]] = lock.stem
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return found


def _web(ours: dict[int, str]) -> Finding:
    host, port = _web_listens()
    if ours.get(port) == "web":
        return ok(f"The web process listens on {host}:{port}.")
    if port_free(host, port):
        return ok(f"{host}:{port} is free for the web process.")
    if _is_zenpro(host, port):
        return ok(f"ZenPro answers on {host}:{port}, started by something other than `zenpro up`.")
    return problem(
        f"{host}:{port} is taken by another program.",
        "Stop that program, or choose another port: zenpro up --port",
    )


def _web_listens() -> tuple[str, int]:
    """Of the last start."""
    try:
        program = json.loads((settings.ZENPRO_DATA / "supervisor" / "conf.d" / "web.json").read_text())
        return program["host"], int(program["port"])
    except (OSError, ValueError, KeyError, TypeError):
        return WEB


def _is_zenpro(host: str, port: int) -> bool:
    address = f"http://{EVERYWHERE.get(host, host)}:{port}/livez"
    try:
        return httpx.get(address, timeout=LIVE_TIMEOUT, trust_env=False).text == "ok"
    except httpx.HTTPError:
        return False


def _tenants(ours: dict[int, str]) -> list[Finding]:
    host, (first, last) = settings.ZENPRO_TENANT_HOST, settings.ZENPRO_TENANT_PORTS
    reserved = _reserved()
    strangers = [port for port in range(first, last + 1) if port not in ours and not port_free(host, port)]
    left = [port for port in range(first, last + 1) if port not in reserved and port not in strangers]
    found = [_room(first, last, len(left))]
    hit = sorted(reserved.keys() & set(strangers))
    found += [
        problem(f"Port {port} of tenant {reserved[port]} is taken by another program.", "Stop that program.")
        for port in hit[:NAMED]
    ]
    others = [str(port) for port in strangers if port not in reserved]
    if others:
        found.append(
            warning(f"Other programs listen on ports meant for tenants: {', '.join(others[:NAMED])}.")
        )
    return found + _lent_out(reserved)


def _room(first: int, last: int, left: int) -> Finding:
    text = f"{left} of the ports {first} to {last} are free for new tenants."
    remedy = "Widen the range: ZENPRO_TENANT_PORT_FIRST and ZENPRO_TENANT_PORT_LAST."
    if left < FEW:
        return warning(text, remedy) if left else problem(text, remedy)
    return ok(text)


def lent_ports() -> set[int]:
    """What the kernel chooses from for outgoing connections: ip(7). Empty where it does not say."""
    try:
        low, high = map(int, (KERNEL / "ip_local_port_range").read_text().split())
        kept = (KERNEL / "ip_local_reserved_ports").read_text().strip()
        ranges = [list(map(int, part.split("-"))) for part in kept.split(",") if part]
    except (OSError, ValueError):
        return set()
    free = set(range(low, high + 1))
    return free.difference(*(range(part[0], part[-1] + 1) for part in ranges))


def _reserved() -> dict[int, str]:
    """Port -> tenant."""
    try:
        rows = Tenant.objects.exclude(port=None) if is_there() else Tenant.objects.none()
        return dict(rows.values_list("port", "name"))
    except DatabaseError:
        return {}  # the check of the database says why


def _lent_out(reserved: dict[int, str]) -> list[Finding]:
    """Ports of tenants that the kernel may give to a connection of any program while the server is down."""
    lent = lent_ports()
    hit = sorted(port for port in reserved if port in lent)
    if not hit:
        return []
    named = ", ".join(f"{port} ({reserved[port]})" for port in hit[:NAMED])
    more = f" and {len(hit) - NAMED} more" if len(hit) > NAMED else ""
    text = f"The kernel may give tenants' ports to other programs' outgoing connections: {named}{more}."
    ports = f"{hit[0]}-{hit[-1]}" if len(hit) > 1 else f"{hit[0]}"
    return [warning(text, f"Reserve them: add {ports} to the kernel's net.ipv4.ip_local_reserved_ports.")]


# -- mail


def check_mail(to: str = "") -> list[Finding]:
    """The settings; with an address also the way there, by a real mail."""
    if not settings.MAIL_IS_SET_UP:
        text = "No mail server is set up, so no one gets email. Invitations work by copying the link; password resets don't."
        remedy = "Set EMAIL_URL, such as smtp+tls://user:password@mail.example.org:587, and ZENPRO_MAIL_FROM."
        return [problem(f"No email can be sent to {to}. {text}", remedy) if to else warning(text, remedy)]
    where = f"{settings.EMAIL_HOST}:{settings.EMAIL_PORT}"
    found = [ok(f"Email goes out through {where}, from {settings.DEFAULT_FROM_EMAIL}."), *_in_clear(where)]
    return found + ([_sent(to, where)] if to else [])


def _in_clear(where: str) -> list[Finding]:
    encrypted = getattr(settings, "EMAIL_USE_TLS", False) or getattr(settings, "EMAIL_USE_SSL", False)
    if encrypted or not settings.EMAIL_HOST_PASSWORD or is_here(settings.EMAIL_HOST):
        return []
    text = f"The mail server's password is sent to {where} unencrypted."
    return [warning(text, "Start EMAIL_URL with smtp+tls:// or smtp+ssl://.")]


def _sent(to: str, where: str) -> Finding:
    text = TEST_MAIL.format(url=running.address())
    try:
        EmailMessage("Test email from ZenPro", text, to=[to], connection=get_connection()).send()
    except (OSError, smtplib.SMTPException) as error:
        remedy = "Check EMAIL_URL and ZENPRO_MAIL_FROM with whoever runs the mail server."
        return problem(f"{where} did not accept an email to {to}: {words_of(error)}", remedy)
    return ok(f"{where} accepted a test email to {to}. Check that it arrives.")
