"""Code from a git repository: one commit, fetched in a box and frozen; and what a box needs to be let in.

A repository has an address over https, or over ssh as `ssh://git@host/path` or `git@host:path`. Nothing else is one: no
other way that git knows, no option, no name of a host that begins like one. docs/adr/0029-git-access-is-kept.md.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

from .boxed_programs import answer_of
from .code import CodeError, freeze_folder, scratch

# What the box needs; here they are only looked up, as loading them takes every process of ours a third of a second. One
# folder, except where a system keeps compiled packages apart.
NEEDED = ("dulwich", "asyncssh", "cryptography")
LIBRARIES = list(dict.fromkeys(Path(find_spec(name).origin).parents[1] for name in NEEDED))
SECONDS = 180
LOOK_SECONDS = 60
LONGEST_ADDRESS, LONGEST_REVISION = 500, 250
USER = r"[A-Za-z0-9_][A-Za-z0-9_.-]*"
HOST = r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\]"
PATH = r"[A-Za-z0-9_.~/+@=,%-]+"
SHORT = re.compile(rf"({USER})@({HOST}):(?!/)({PATH})")
LONG = re.compile(rf"ssh://({USER})@({HOST})(:[0-9]{{1,5}})?/({PATH})")
HOST_KEY = re.compile(r"[a-z0-9@.-]{1,100} [A-Za-z0-9+/]{1,4000}={0,3}")
NEITHER = (
    "Enter the address of a repository that begins with https://, or with ssh:// or git@ for a deploy key."
)


@dataclass(frozen=True)
class Address:
    """`url` is what the box is given; `place` names the repository however its address is written."""

    url: str
    place: str
    host: str
    port: int | None
    is_ssh: bool


@dataclass(frozen=True)
class Opener:
    """What lets a box in, for one repository: a token over https; over ssh a private key, and the key that the host shows."""

    token: str = ""
    private_key: str = ""
    host_key: str = ""

    def __repr__(self) -> str:
        return "Opener(…)"

    def secrets(self, address: Address) -> Mapping[str, str] | None:
        """For the pipe of the box. Raises CodeError where this opens another kind of address."""
        if address.is_ssh and not self.private_key:
            raise CodeError("A repository with an ssh address needs a deploy key. Make one under Git access.")
        if address.is_ssh:
            return {"private_key": self.private_key, "host_key": self.host_key}
        return {"token": self.token} if self.token else None


def check_address(url: str) -> Address:
    """Raises CodeError for what is no address of a repository on another machine, or holds a password."""
    if not url.isprintable() or " " in url:
        raise CodeError("The address contains spaces or characters that can't be seen.")
    if len(url) > LONGEST_ADDRESS:
        raise CodeError(f"An address has at most {LONGEST_ADDRESS} characters.")
    return _over_ssh(url) if "@" in url.partition("/")[0] or url.startswith("ssh:") else _over_https(url)


def _over_https(url: str) -> Address:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise CodeError("This is not an address.") from error
    if parts.scheme != "https" or not parts.hostname:
        raise CodeError(NEITHER)
    if parts.username or parts.password:
        raise CodeError("Leave user name and token out of the address; there is a field for the token.")
    if parts.query or parts.fragment:
        raise CodeError("Enter the address of the repository itself, without “?” and “#”.")
    place = f"https://{parts.netloc.lower().removesuffix(':443')}/{_plain(parts.path)}"
    return Address(url, place, parts.hostname, port, is_ssh=False)


def _over_ssh(url: str) -> Address:
    short, long = SHORT.fullmatch(url), LONG.fullmatch(url)
    if not short and not long:
        raise CodeError(
            "An ssh address looks like git@example.org:team/project.git or ssh://git@example.org/project."
        )
    user, host, path = short.groups() if short else long.group(1, 2, 4)
    port = int(long.group(3)[1:]) if long and long.group(3) else None
    if port is not None and not 0 < port < 65536:
        raise CodeError("A port is a number from 1 to 65535.")
    if any(part.startswith("-") for part in path.split("/")):
        raise CodeError("No part of an ssh address begins with “-”.")
    where = f"{user}@{host.lower()}" + (f":{port}" if port not in (None, 22) else "")
    # A path of the short form begins in the home folder of the user there, which a box is told with a dot.
    inside = f"ssh://{where}/{'./' if short else ''}{path}"
    return Address(inside, f"ssh://{where}/{_plain(path)}", host.strip("[]"), port, is_ssh=True)


def _plain(path: str) -> str:
    """The same for the ways in which people write one path."""
    return path.strip("/").removesuffix(".git")


def freeze_commit(url: str, revision: str, opener: Opener = Opener(), place: str = "") -> tuple[str, str]:
    """(hash of the frozen code, id of the commit) of a branch, tag or whole commit id; "" is the main branch.

    `opener`: for private repositories, its token is "token" or "name:token". `place`: the tenant's id. Raises CodeError
    with a sentence for people.
    """
    address = check_address(url)
    secrets = opener.secrets(address)
    if not revision.isprintable() or len(revision) > LONGEST_REVISION:
        raise CodeError("This is not the name of a branch or tag.")
    with scratch("fetched") as folder:
        inside, store = folder / "code", folder / "store"
        for empty in (inside, store):
            empty.mkdir(mode=0o700)
        words = [_libraries(), address.url, revision, store, inside]
        reads = {"read": LIBRARIES, "seconds": SECONDS, "place": place}
        answer = answer_of("fetch.py", words, folder, secrets=secrets, **reads)
        return freeze_folder(inside), answer["commit"]


def host_key_of(address: Address, place: str = "") -> str:
    """The public key that an ssh host shows whoever asks, "type base64". Raises CodeError with a sentence for people."""
    with scratch("asked") as folder:
        words = [_libraries(), address.host, address.port or 0, folder]
        reads = {"read": LIBRARIES, "seconds": LOOK_SECONDS, "place": place}
        key = answer_of("host_key.py", words, folder, **reads)["key"]
    if not HOST_KEY.fullmatch(key):
        raise CodeError("The host shows no key that can be kept.")
    return key


def _libraries() -> str:
    return ":".join(map(str, LIBRARIES))
