"""The database server of tenants in the cluster, from the environment. No sentence repeats its password."""

import ssl
from dataclasses import dataclass, field
from urllib.parse import SplitResult, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

from zenpro_site.env import is_host

VAR = "ZENPRO_KUBERNETES_DATABASE"
EXAMPLE = "Set it to mysql://user:password@host/, or leave it out to keep tenants in SQLite."
PORT = 3306
OFF, ENCRYPT, VERIFY = "off", "encrypt", "verify"


@dataclass(frozen=True, kw_only=True)
class MysqlSettings:
    """`ca`: certificates as text, with which the server's own is checked; `tls`: "off", "encrypt" or "verify".

    `pod_host`, `pod_port`: where pods reach the same server.
    """

    host: str
    user: str
    password: str = field(repr=False)
    port: int = PORT
    tls: str = OFF
    ca: str = field(default="", repr=False)
    pod_host: str
    pod_port: int = PORT


def load_mysql(env) -> MysqlSettings | None:
    """None when tenants have SQLite. Raises ImproperlyConfigured."""
    text = env(VAR, default="")
    if not text:
        return None
    parts = _server(text)
    host, port = parts.hostname or "", parts.port or PORT
    pod_host, pod_port = _for_pods(env, host, port)
    ca = _certificates(env)
    return MysqlSettings(
        host=host,
        port=port,
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        tls=_tls(env, ca),
        ca=ca,
        pod_host=pod_host,
        pod_port=pod_port,
    )


def _server(text: str) -> SplitResult:
    try:
        parts = urlsplit(text)
        is_right = parts.scheme == "mysql" and parts.port != 0
    except ValueError:
        is_right = False
    if not is_right:
        raise ImproperlyConfigured(f"{VAR} does not name a MySQL or MariaDB server. {EXAMPLE}")
    if not is_host(parts.hostname or ""):
        raise ImproperlyConfigured(f"{VAR} names no host. {EXAMPLE}")
    if not parts.username or not parts.password:
        raise ImproperlyConfigured(
            f"{VAR} needs the name and password of an account that can make others. {EXAMPLE}"
        )
    if parts.path not in ("", "/"):
        raise ImproperlyConfigured(f"{VAR} names a database, but each tenant gets its own. {EXAMPLE}")
    if parts.query or parts.fragment:
        raise ImproperlyConfigured(
            f"{VAR} has something after the host. Use {VAR}_TLS and {VAR}_CA for encryption."
        )
    return parts


def _for_pods(env, host: str, port: int) -> tuple[str, int]:
    var = f"{VAR}_POD_HOST"
    text = env(var, default="")
    try:
        parts = urlsplit(f"//{text}")
        found = (parts.hostname or "", parts.port or port)
        is_right = parts.netloc == text and "@" not in text and is_host(found[0])
    except ValueError:
        is_right = False
    if text and not is_right:
        raise ImproperlyConfigured(f"{var} is {text!r}. Set it to a host, or to a host and a port.")
    return found if text else (host, port)


def _certificates(env) -> str:
    var = f"{VAR}_CA"
    path = env(var, default="")
    if not path:
        return ""
    try:
        with open(path, encoding="ascii") as file:
            text = file.read(1024**2)
        ssl.create_default_context(cadata=text)
    except (OSError, ValueError) as error:
        raise ImproperlyConfigured(
            f"{var} is {path!r}. Set it to a file with certificates (PEM): {error}."
        ) from error
    return text


def _tls(env, ca: str) -> str:
    """With certificates the server is checked unless told otherwise; without them it can't be."""
    var = f"{VAR}_TLS"
    found = env.one_of(var, (OFF, ENCRYPT, VERIFY), VERIFY if ca else OFF)
    if found == VERIFY and not ca:
        raise ImproperlyConfigured(f"{var} is verify: set {VAR}_CA to the certificates to check with.")
    if found != VERIFY and ca:
        raise ImproperlyConfigured(f"{VAR}_CA is set, so {var} must be verify, or be left out.")
    return found
