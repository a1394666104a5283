"""Sign-in through the company's own provider (OpenID Connect), from the environment. Half of it stops the start."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

NEEDED = ("ZENPRO_OIDC_ISSUER", "ZENPRO_OIDC_CLIENT_ID", "ZENPRO_OIDC_CLIENT_SECRET")
PROVIDER = "sso"  # part of the address that people come back to
LOCAL = {"localhost", "127.0.0.1", "::1"}


@dataclass(frozen=True)
class Oidc:
    """What the provider gave us, and whether it is the only way in."""

    issuer: str
    client_id: str
    client_secret: str
    name: str
    only: bool = False
    provider: str = PROVIDER

    @property
    def allauth(self) -> dict:
        """The value of SOCIALACCOUNT_PROVIDERS."""
        app = {
            "provider_id": self.provider,
            "name": self.name,
            "client_id": self.client_id,
            "secret": self.client_secret,
            "settings": {"server_url": self.issuer, "oauth_pkce_enabled": True},
        }
        return {"openid_connect": {"APPS": [app]}}


def load_oidc(env) -> Oidc | None:
    """None when nothing is set. Raises ImproperlyConfigured with a hint for anything that cannot work."""
    values = {name: env(name, default="").strip() for name in NEEDED}
    only = env.bool("ZENPRO_OIDC_ONLY", default=False)
    if not any(values.values()) and not only:
        return None
    if missing := [name for name in NEEDED if not values[name]]:
        raise ImproperlyConfigured(
            f"{' and '.join(missing)} missing. Sign-in through OpenID Connect needs {', '.join(NEEDED)}; "
            "set all of them, or none."
        )
    issuer = values["ZENPRO_OIDC_ISSUER"].partition("/.well-known/")[0].rstrip("/")
    _check(issuer)
    name = env("ZENPRO_OIDC_NAME", default="").strip() or urlsplit(issuer).hostname
    return Oidc(issuer, values["ZENPRO_OIDC_CLIENT_ID"], values["ZENPRO_OIDC_CLIENT_SECRET"], name, only)


def _check(issuer: str) -> None:
    """Whoever can change what the provider says can be anyone here."""
    address = urlsplit(issuer)
    if address.scheme == "https" and address.hostname:
        return
    if address.scheme != "http" or address.hostname not in LOCAL:
        raise ImproperlyConfigured(
            f"ZENPRO_OIDC_ISSUER is {issuer}. It must start with https://, such as https://login.example.org."
        )
