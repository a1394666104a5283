"""Where packages come from: what uv is told, so that nothing of its surroundings decides."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from urllib.parse import SplitResult, unquote, urlsplit

PYPI = "https://pypi.org/simple"
CREDENTIALS = re.compile(r"(?<=://)[^/@\s]+@")
CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR")


def without_credentials(text: str) -> str:
    """The text with user names and passwords taken out of its addresses."""
    return CREDENTIALS.sub("", text)


@dataclass(frozen=True)
class PackageIndex:
    """Package indexes: the first is the default, the others are asked before it.

    A name that another index knows is taken from there alone, so that no one can put a newer one beside it.
    `network`: certificates and proxies, as variables that uv reads.
    """

    urls: tuple[str, ...] = (PYPI,)
    network: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def arguments(self) -> list[str]:
        """For `uv pip install`. Nothing in them is secret: other people of the machine can list them."""
        flags = ["--no-config", "--keyring-provider", "disabled", "--index-strategy", "first-index"]
        for number, url in enumerate(self.urls):
            flag = "--index" if number else "--default-index"
            flags += [flag, f"zenpro{number}={without_credentials(url)}"]
        return flags

    @cached_property
    def environment(self) -> dict[str, str]:
        """Variables for uv, with the passwords of the indexes."""
        found = dict(self.network)
        for number, url in enumerate(map(urlsplit, self.urls)):
            for name, value in (("USERNAME", url.username), ("PASSWORD", url.password)):
                if value:
                    found[f"UV_INDEX_ZENPRO{number}_{name}"] = unquote(value)
        return found

    @property
    def has_secret(self) -> bool:
        """Whether code that runs beside uv could learn a password."""
        proxies = [value for name, value in self.network.items() if name not in CERTIFICATES]
        return any(
            CREDENTIALS.search(f"://{text.partition('://')[2] or text}") for text in [*self.urls, *proxies]
        )

    @property
    def files(self) -> list[str]:
        """Files and folders of this machine that uv has to read."""
        certificates = [self.network[name] for name in CERTIFICATES if name in self.network]
        return certificates + [path for path in map(_path, map(urlsplit, self.urls)) if path]


def _path(url: SplitResult) -> str:
    return unquote(url.path) if url.scheme in ("", "file") else ""
