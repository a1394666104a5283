"""Packs what a run wrote beside its code: `python -I -S pack.py here code archive most_bytes most_files`.

`here` is the folder the run worked in, `code` the code as it was. Files that are new or have other content than in the
code go into `archive`, a .tar.gz that is not there yet. Links are left out, and so are files beyond the limits. The
answer: {"files": how many are in it, "bytes": of the archive, "left": how many were left out}; without files there is
no archive.
"""

import os
import stat
import sys
import tarfile

sys.path.insert(0, os.path.dirname(__file__))

from written import CHUNK, say

NOT_KEPT = {"__pycache__", ".zen"}
DEEPEST = 200


class Packing:
    """What has been packed so far."""

    def __init__(self, here, code, archive, most_bytes, most_files):
        self.here, self.code, self.archive = here, code, archive
        self.most_bytes, self.most_files = int(most_bytes), int(most_files)
        self.files = self.bytes = self.left = 0

    def go(self):
        """Depth first without recursion: no tree is too deep for it."""
        waiting = [""]
        while waiting:
            folder = waiting.pop()
            try:
                with os.scandir(os.path.join(self.here, folder)) as entries:
                    found = sorted(entries, key=lambda entry: entry.name)
            except OSError:
                self.left += 1
                continue
            waiting += reversed([name for name in (self.take(folder, entry) for entry in found) if name])

    def take(self, folder, entry):
        """Pack a file; of a folder its path."""
        path = os.path.join(folder, entry.name)
        if entry.is_dir(follow_symlinks=False):
            is_near = path.count("/") < DEEPEST and entry.name not in NOT_KEPT
            return path if is_near else None
        try:
            self.add(path)
        except (OSError, ValueError):
            self.left += 1
        return None

    def add(self, path):
        descriptor = os.open(os.path.join(self.here, path), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with open(descriptor, "rb") as file:
            info = os.fstat(descriptor)
            if not stat.S_ISREG(info.st_mode) or self.is_of_the_code(path, file, info.st_size):
                return
            if self.files == self.most_files or self.bytes + info.st_size > self.most_bytes:
                self.left += 1
                return
            file.seek(0)
            self.archive.addfile(member(path, info), file)
            self.files, self.bytes = self.files + 1, self.bytes + info.st_size

    def is_of_the_code(self, path, file, size):
        """Is it in the code with the same content?"""
        try:
            with open(os.path.join(self.code, path), "rb") as other:
                return os.fstat(other.fileno()).st_size == size and same(file, other)
        except OSError:
            return False


def same(one, other):
    while chunk := one.read(CHUNK):
        if chunk != other.read(CHUNK):
            return False
    return True


def member(path, info):
    """Nobody's file, with its time: no rights and no owner of this machine leave it."""
    found = tarfile.TarInfo(path)
    found.size, found.mtime, found.mode = info.st_size, int(info.st_mtime), 0o644
    return found


def answer_to(here, code, archive, most_bytes, most_files):
    with tarfile.open(archive, "x:gz", format=tarfile.PAX_FORMAT) as packed:
        packing = Packing(here, code, packed, most_bytes, most_files)
        packing.go()
    if not packing.files:
        os.unlink(archive)
        return {"files": 0, "bytes": 0, "left": packing.left}
    return {"files": packing.files, "bytes": os.stat(archive).st_size, "left": packing.left}


if __name__ == "__main__":
    say(answer_to)
