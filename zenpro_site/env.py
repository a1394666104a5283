"""Settings as the environment has them, looked at before anything starts: what cannot work is one sentence."""

import importlib.util
import logging
import re
from email.utils import parseaddr
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import SplitResult, urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import environ
from cryptography.fernet import Fernet
from django.core.exceptions import ImproperlyConfigured
from environ.fileaware_mapping import FileAwareMapping

from zenpro_site.common.addresses import bracketed
from zenpro_site.common.mailboxes import normal, why_no_address

YES, NO = ("true", "on", "yes", "1"), ("false", "off", "no", "0")
NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?")
FOLDER = re.compile(r"[\w /.,+=@~-]+")  # ZenML, SQLite's addresses and supervisor read the rest as signs
MAILBOX = re.compile(r"[^@\s]+@[^@\s]+")
DATABASE = re.compile("(postgres|postgresql|psql|pgsql|sqlite)://")
VERSION = re.compile(r"\d+\.\d+\.\d+")
ADMIN = re.compile(r"[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*")
TAKEN_PATHS = {"accounts", "api", "devices", "first-sign-in", "invite", "livez", "o", "organizations"}
TAKEN_PATHS |= {"readyz", "settings", "static", "theme", "welcome", "workspaces"}


class Env(environ.FileAwareEnv):
    """Reads NAME, or the file that NAME_FILE names. What is empty counts as not set; a $ is a $."""

    ENVIRON = FileAwareMapping(cache=False)

    def get_value(self, var, cast=None, default=environ.Env.NOTSET, parse_default=False):
        try:
            value = self.ENVIRON[var].strip()
        except KeyError:
            value = ""
        except (OSError, UnicodeDecodeError) as error:
            raise ImproperlyConfigured(f"The file that {var}_FILE names cannot be read: {error}.") from error
        if value:
            return self.parse_value(value, cast or str)
        if default is self.NOTSET:
            raise ImproperlyConfigured(f"{var} is not set.")
        return default

    def bool(self, var, default=False) -> bool:
        value = str(self(var, default=default)).lower()
        if value not in (*YES, *NO):
            raise ImproperlyConfigured(f"{var} is {value!r}. Set it to true or false.")
        return value in YES

    def int(self, var, default=0, least=0, most=2**31 - 1) -> int:
        return self._number(int, "whole number", var, default, least, most)

    def float(self, var, default=0.0, least=0.0, most=1e9) -> float:
        return self._number(float, "number", var, default, least, most)

    def _number(self, kind, words, var, default, least, most):
        text = self(var, default=str(default))
        try:
            found = kind(text)
        except ValueError:
            found = None
        if found is None or not least <= found <= most:  # not a number compares with nothing
            raise ImproperlyConfigured(f"{var} is {text!r}. Set it to a {words} from {least} to {most}.")
        return found

    def one_of(self, var, choices, default: str) -> str:
        found = self(var, default=default)
        if found not in choices:
            raise ImproperlyConfigured(f"{var} is {found!r}. Set it to one of {', '.join(choices)}.")
        return found

    def site(self, var, default: str) -> SplitResult:
        """The address of a site: scheme, host and perhaps a port, nothing else."""
        text = self(var, default=default)
        return as_site(var, text)

    def sites(self, var) -> list[str]:
        return [as_site(var, text).geturl() for text in self.list(var, default=[])]

    def host(self, var, default: str) -> str:
        """A host name or IP address, without brackets."""
        return as_host(var, self(var, default=default)).strip("[]")

    def hosts(self, var) -> list[str]:
        """Host names as Django's ALLOWED_HOSTS has them; `*` and a leading dot are its own signs."""
        found = self.list(var, default=[])
        return [
            text if text == "*" else bracketed(as_host(var, text, text.removeprefix("."))) for text in found
        ]

    def host_names(self, var) -> list[str]:
        """Host names and IP addresses by commas, as `urlsplit` gives them: in lower case and without brackets."""
        return [as_host(var, text).strip("[]").lower() for text in self.list(var, default=[])]

    def folder(self, var, default: str) -> Path:
        path = Path(self(var, default=default)).expanduser().resolve()
        odd = "".join(sorted(set(FOLDER.sub("", str(path)))))
        if odd:
            raise ImproperlyConfigured(
                f"{var} is {str(path)!r}. ZenML cannot work in a folder with {odd!r} in its path: choose another."
            )
        if path.exists() and not path.is_dir():
            raise ImproperlyConfigured(f"{var} is {str(path)!r}, which is not a folder.")
        return path

    def versions(self, var, default: list[str]) -> list[str]:
        found = self.list(var, default=default)
        if wrong := [one for one in found if not VERSION.fullmatch(one)]:
            raise ImproperlyConfigured(f"{var} has {wrong[0]!r} in it. List versions such as 0.98.0.")
        return found

    def ports(self, var) -> list[int]:
        """Numbers of ports by commas, none by default."""
        found = self.list(var, default=[])
        wrong = [one for one in found if not (one.isascii() and one.isdecimal() and 0 < int(one) < 65536)]
        if wrong:
            raise ImproperlyConfigured(f"{var} has {wrong[0]!r} in it. List ports, such as 29500,6379.")
        return [int(one) for one in found]

    def path_prefix(self, var, default: str) -> str:
        """A path below the site, with one slash at its end."""
        found = self(var, default=default).strip("/")
        if not ADMIN.fullmatch(found) or found.partition("/")[0] in TAKEN_PATHS:
            raise ImproperlyConfigured(f"{var} is {found!r}. Set it to a path of its own, such as admin/.")
        return f"{found}/"

    def time_zone(self, var, default: str) -> str:
        found = self(var, default=default)
        try:
            return ZoneInfo(found).key
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ImproperlyConfigured(
                f"{var} is {found!r}. Set it to a time zone such as Europe/Berlin."
            ) from error

    def log_level(self, var, default: str) -> str:
        levels = [name for name in logging.getLevelNamesMapping() if name not in ("NOTSET", "WARN", "FATAL")]
        return self.one_of(var, levels, default)

    def mailbox(self, var, default: str) -> str:
        """`ada@example.org` or `Ada <ada@example.org>`; hosts of an inner network have no dot."""
        found = self(var, default="")
        if found and not MAILBOX.fullmatch(parseaddr(found)[1]):
            raise ImproperlyConfigured(f"{var} is {found!r}. Set it to an email address.")
        return found or default

    def address(self, var, default: str) -> str:
        """Where mail can be sent, in its normal form."""
        found = normal(self(var, default=default))
        if reason := why_no_address(found):
            raise ImproperlyConfigured(f"{var} is {found!r}. {reason}")
        return found

    def database(self, var, file: Path) -> dict:
        """PostgreSQL or SQLite. The value holds a password, so no sentence repeats it."""
        text = self(var, default="")
        if not text:
            return {"ENGINE": "django.db.backends.sqlite3", "NAME": str(file)}
        try:
            found = self.db_url(var) if DATABASE.match(text) else {}
        except (ImproperlyConfigured, ValueError, KeyError):
            found = {}
        kind = found.get("ENGINE", "").rpartition(".")[2]
        if kind not in ("postgresql", "sqlite3") or found["NAME"] in ("", ":memory:"):
            raise ImproperlyConfigured(
                f"{var} does not name a database. Set it to postgres://user:password@host/name or sqlite:////path."
            )
        if kind == "postgresql" and importlib.util.find_spec("psycopg") is None:
            raise ImproperlyConfigured(f"{var} names PostgreSQL: install zenpro[postgres] to get its client.")
        return found

    def mail_server(self, var) -> dict:
        """How mails go out. The value holds a password, so no sentence repeats it."""
        try:
            found = self.email_url(var, default="consolemail://")
        except (ImproperlyConfigured, ValueError, KeyError):
            found = {}
        is_smtp = found.get("EMAIL_BACKEND", "").endswith("smtp.EmailBackend")
        if not found or (is_smtp and not found["EMAIL_HOST"]):
            raise ImproperlyConfigured(
                f"{var} does not name a mail server. "
                "Set it to smtp+tls://user:password@host:587, or leave it out to send no mail."
            )
        return found


def as_site(var: str, text: str) -> SplitResult:
    """`http(s)://host(:port)` as browsers write it. Raises ImproperlyConfigured for anything more or less."""
    try:
        parts = urlsplit(text.rstrip("/"))
        fine = parts.scheme in ("http", "https") and is_host(parts.hostname or "") and parts.port != 0
    except ValueError:
        fine = False
    if not fine or parts.path or parts.query or parts.fragment or "@" in parts.netloc or "?" in text:
        raise ImproperlyConfigured(
            f"{var} is {_without_password(text)!r}. Set it to a scheme and a host, such as "
            "https://zenpro.example.org or http://127.0.0.1:8000, without a path or a password."
        )
    usual = {"http": 80, "https": 443}[parts.scheme]
    port = "" if parts.port in (None, usual) else f":{parts.port}"
    return SplitResult(parts.scheme, bracketed(parts.hostname) + port, "", "", "")


def is_host(text: str) -> bool:
    """A host name, or an IP address with or without brackets."""
    try:
        return bool(NAME.fullmatch(text) or ip_address(text.strip("[]")))
    except ValueError:
        return False


def as_host(var: str, text: str, name: str | None = None) -> str:
    if not is_host(text if name is None else name):
        raise ImproperlyConfigured(f"{var} has {text!r} in it. Use a host without a scheme, port or path.")
    return text


def _without_password(text: str) -> str:
    return re.sub(r"//[^/]*@", "//…@", text)


def check_fernet(var: str, keys: list[str]) -> None:
    """Raises ImproperlyConfigured unless each can be used; none is repeated."""
    for number, key in enumerate(keys, start=1):
        try:
            Fernet(key)
        except ValueError as error:
            raise ImproperlyConfigured(
                f"Key {number} of {var} is not a key. Create one with: python -c "
                '"from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())"'
            ) from error
