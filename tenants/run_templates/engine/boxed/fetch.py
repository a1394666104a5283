"""Fetches one commit of a git repository into one empty folder, without a checkout: no hook, filter or setting of the
repository is ever looked at. `python -I -S fetch.py libraries url revision store folder bytes files`; `libraries` are
folders with a colon between.

Its last line is JSON: {"commit": ...}, or the sentence that tells a person why not. What opens the repository comes
through the pipe of the box's secrets: a token, or for an ssh address a private key with the host's public one.
"""

import io
import json
import os
import stat
import sys
from importlib import import_module
from urllib.parse import urlsplit

sys.path.insert(0, os.path.dirname(__file__))

from by_ssh import Vendor, without_a_home, words_over_ssh
from written import COMMIT, Unpacked, Unwanted, say, shown

TIMEOUT = 30.0  # seconds without an answer
SECRETS_FD = "ZENPRO_SECRETS_FD"
NOT_FOUND = "{} is neither a branch, a tag nor a whole commit id (40 characters) of this repository."


class Git:
    """What is used of dulwich, which lies in a folder that the command names."""

    def __init__(self):
        self.by_ssh = False
        self.client = import_module("dulwich.client")
        self.errors = import_module("dulwich.errors")
        self.repo = import_module("dulwich.repo")
        self.urllib3 = import_module("urllib3.exceptions")

    def fetched(self, url, revision, store):
        """(repository, id of the commit). Only that commit is asked for; where the server refuses, all branches."""
        client, path = self._client(urlsplit(url), store)
        repository = self.repo.Repo.init_bare(store)
        commit = self._found(client.get_refs(path).refs, revision)
        try:
            client.fetch(path, repository, determine_wants=lambda *_, **__: [commit], depth=1)
        except (self.errors.GitProtocolError, self.errors.HangupException):
            client.fetch(path, repository)
        if commit not in repository.object_store:
            raise Unwanted(NOT_FOUND.format(shown(revision)))
        return repository, commit

    def _client(self, parts, store):
        """And the path of the repository there."""
        if parts.scheme == "ssh":
            self.by_ssh = True
            without_a_home(store)
            vendor = Vendor(**secrets())
            client = self.client.SSHGitClient(parts.hostname, parts.port, parts.username, vendor=vendor)
            return client, parts.path.removeprefix("/./")
        sent = password(secrets().get("token", ""))
        return self.client.HttpGitClient(f"https://{parts.netloc}", **sent, timeout=TIMEOUT), parts.path

    def _found(self, refs, revision):
        """Id of the commit or annotated tag. Branches come before tags."""
        names = [b"refs/heads/%b", b"refs/tags/%b"]
        found = (
            [refs.get(name % os.fsencode(revision)) for name in names] if revision else [refs.get(b"HEAD")]
        )
        found += [revision.encode()] if COMMIT.fullmatch(revision) else []
        if not any(found):
            raise Unwanted(NOT_FOUND.format(shown(revision)) if revision else "The repository is empty.")
        return next(filter(None, found))

    def words(self, error):
        """Why nothing was fetched, for people."""
        if self.by_ssh and (sentence := words_over_ssh(error)):
            return sentence
        if isinstance(error, self.client.HTTPUnauthorized):
            return "The repository asks for a token, or does not accept this one."
        if isinstance(error, self.errors.NotGitRepository):
            return "There is no git repository at this address, or it is private and needs a token."
        beneath = error.__cause__ or error.__context__ or error
        if isinstance(beneath, self.urllib3.MaxRetryError):
            return f"The server can't be reached: {shown(str(beneath.reason).rpartition('): ')[2])}"
        return f"The repository can't be read: {shown(str(error) or type(error).__name__)}"


def secrets():
    """What the box was handed, once; {} for nothing."""
    number = os.environ.pop(SECRETS_FD, "")
    if not number:
        return {}
    with os.fdopen(int(number)) as pipe:
        return json.load(pipe)


def password(token):
    if not token:
        return {}
    name, colon, secret = token.partition(":")
    return {"username": name, "password": secret} if colon else {"username": "git", "password": token}


def tree_of(repository, commit):
    """Of a commit, or of the commit that an annotated tag names."""
    found = repository[commit]
    while found.type_name == b"tag":
        found = repository[found.object[1]]
    if found.type_name != b"commit":
        raise Unwanted("This is not a commit.")
    return found.id, found.tree


def write(repository, tree, unpacked, above=""):
    """The files of a tree. Each name counts: a few small trees can stand for millions of folders."""
    for name, mode, key in repository[tree].iteritems():
        path = above + os.fsdecode(name)
        if stat.S_ISDIR(mode):
            unpacked.count(names=1)
            write(repository, key, unpacked, f"{path}/")
        elif mode & 0o170000 == 0o160000:
            raise Unwanted(
                f"{shown(path)} is a submodule, which is not fetched. Send the code as an archive."
            )
        elif stat.S_ISLNK(mode):
            unpacked.add_link(path, os.fsdecode(repository[key].data))
        else:
            unpacked.add_file(path, io.BytesIO(repository[key].data), mode & stat.S_IXUSR)


def answer_to(libraries, url, revision, store, folder, most_bytes, most_files):
    sys.path.extend(libraries.split(":"))
    git = Git()
    unpacked = Unpacked(folder, int(most_bytes), int(most_files))
    try:
        repository, found = git.fetched(url, revision, store)
        commit, tree = tree_of(repository, found)
        write(repository, tree, unpacked)
        unpacked.make_links()
    except Unwanted as error:
        return str(error)
    except Exception as error:  # noqa: BLE001 - a server may answer anything, and so may what reads it
        return git.words(error)
    return {"commit": commit.decode()}


if __name__ == "__main__":
    say(answer_to)
