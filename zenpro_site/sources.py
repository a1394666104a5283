"""Where the packages and the code of templates may come from, read from the environment of the service."""

from pathlib import Path
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

from tenants.hosting.local.index import CERTIFICATES, PYPI, PackageIndex

# A mirror that was set up for the service's own uv or pip holds for the environments as well.
INDEX = ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL")
EXTRA = ("UV_INDEX", "UV_EXTRA_INDEX_URL", "PIP_EXTRA_INDEX_URL")
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
NETWORK = (*CERTIFICATES, *PROXIES, *map(str.lower, PROXIES))


def load_index(env) -> PackageIndex:
    """Raises ImproperlyConfigured for an address that is none."""
    ours = env("ZENPRO_PACKAGE_INDEX", default="").strip()
    extra = env.list("ZENPRO_PACKAGE_EXTRA_INDEXES", default=[])
    if not ours and not extra:
        extra = [_address(word) for word in _first(env, EXTRA).split()]
    urls = (ours or _first(env, INDEX) or PYPI, *extra)
    for url in urls:
        _check(url)
    return PackageIndex(urls, {name: env(name) for name in NETWORK if env(name, default="")})


def _first(env, names) -> str:
    return next((value for name in names if (value := env(name, default="").strip())), "")


def _address(word: str) -> str:
    """uv's own settings may give an index a name: `name=address`."""
    name, equals, address = word.partition("=")
    return address if equals and "/" not in name else word


def _check(url: str) -> None:
    address = urlsplit(url)
    remote = address.scheme in ("http", "https") and address.hostname
    local = address.scheme in ("", "file") and address.path.startswith("/")
    if not remote and not local:
        raise ImproperlyConfigured(
            f"ZENPRO_PACKAGE_INDEX or ZENPRO_PACKAGE_EXTRA_INDEXES names “{address.hostname or url}”. It must be the "
            "address of a package index, such as https://pypi.org/simple, or the full path of a folder."
        )


def load_code_roots(env) -> list[Path]:
    """Directories of this machine that templates may take code from; none unless they are named.

    Raises ImproperlyConfigured for one that is not a full path.
    """
    names = [name.strip() for name in env.list("ZENPRO_CODE_ROOTS", default=[]) if name.strip()]
    for name in names:
        if not Path(name).is_absolute():
            raise ImproperlyConfigured(
                f"ZENPRO_CODE_ROOTS names “{name}”. It must be full paths such as /srv/code, separated by commas."
            )
    return [Path(name) for name in names]
