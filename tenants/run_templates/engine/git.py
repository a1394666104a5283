"""Code from a git repository: one commit, fetched in a box and frozen."""

from pathlib import Path
from urllib.parse import urlsplit

import dulwich

from .boxed_programs import answer_of
from .code import CodeError, freeze_folder, scratch

LIBRARIES = Path(dulwich.__file__).parents[1]
SECONDS = 180
LONGEST_ADDRESS, LONGEST_REVISION = 500, 250


def check_address(url: str) -> None:
    """Raises CodeError for what is no address of a repository on another machine, or holds a password."""
    parts = _parts(url)
    if parts.scheme != "https" or not parts.hostname or len(url) > LONGEST_ADDRESS:
        raise CodeError("Enter the address of a repository that begins with https://.")
    if parts.username or parts.password:
        raise CodeError("Leave user name and token out of the address; there is a field for the token.")
    if parts.query or parts.fragment:
        raise CodeError("Enter the address of the repository itself, without “?” and “#”.")


def _parts(url: str):
    if not url.isprintable() or " " in url:
        raise CodeError("The address contains spaces or characters that can't be seen.")
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - raises for what is no number
    except ValueError as error:
        raise CodeError("This is not an address.") from error
    return parts


def freeze_commit(url: str, revision: str, token: str = "", place: str = "") -> tuple[str, str]:
    """(hash of the frozen code, id of the commit) of a branch, tag or whole commit id; "" is the main branch.

    `token`: "token" or "name:token", for private repositories. `place`: the tenant's id. Raises CodeError with a sentence for people.
    """
    check_address(url)
    if not revision.isprintable() or len(revision) > LONGEST_REVISION:
        raise CodeError("This is not the name of a branch or tag.")
    with scratch("fetched") as folder:
        inside, store = folder / "code", folder / "store"
        for empty in (inside, store):
            empty.mkdir(mode=0o700)
        secrets = {"token": token} if token else None
        words = [LIBRARIES, url, revision, store, inside]
        reads = {"read": [LIBRARIES], "seconds": SECONDS, "place": place}
        answer = answer_of("fetch.py", words, folder, secrets=secrets, **reads)
        return freeze_folder(inside), answer["commit"]
