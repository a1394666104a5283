"""What both programs in here write: files, folders and links below one empty folder, whatever their names say.

Links are made when all files are there, so that nothing is ever written through one. Programs in here run in boxes with
Python's own library alone, and print one line of JSON at their end.
"""

import json
import os
import re
import sys

CHUNK = 64 * 1024
COMMIT = re.compile("[0-9a-f]{40}")
LONGEST_NAME = 255  # bytes of one part of a path, as file systems have it
LONGEST_PATH = 1024
DEEPEST = 100


class Unwanted(Exception):
    """Why this cannot be code, as a sentence for people."""


class Unpacked:
    """What has been written so far, below an empty folder."""

    def __init__(self, folder, most_bytes, most_files):
        self.folder, self.most_bytes, self.most_files = folder, most_bytes, most_files
        self.bytes = self.names = 0
        self.links = []

    def count(self, names=0, size=0):
        self.names, self.bytes = self.names + names, self.bytes + size
        if self.bytes > self.most_bytes or self.names > self.most_files:
            raise self.too_much()

    def too_much(self):
        return Unwanted(
            f"This is more than {self.most_bytes // 1024**2} MB or {self.most_files:,} files. "
            "Send the folder of the code itself; data belongs elsewhere."
        )

    def place(self, name):
        """Where a name of the archive goes; the folders on the way are there afterwards."""
        parts = parts_of(name)
        self.count(names=1)
        here = self.folder
        for part in parts[:-1]:
            here = os.path.join(here, part)
            make_folder(here, name)
        return os.path.join(here, parts[-1])

    def add_folder(self, name):
        if parts_of(name, may_be_empty=True):
            make_folder(self.place(name), name)

    def add_file(self, name, reader, executable):
        with opened(self.place(name), name) as writer:
            while chunk := reader.read(CHUNK):
                self.count(size=len(chunk))
                writer.write(chunk)
            os.fchmod(writer.fileno(), 0o700 if executable else 0o600)

    def add_link(self, name, leads_to):
        self.links.append((self.place(name), name, leads_to))

    def make_links(self):
        for place, name, leads_to in self.links:
            try:
                os.symlink(leads_to, place)
            except (OSError, ValueError) as error:
                raise Unwanted(f"{shown(name)} is there twice.") from error


def parts_of(name, may_be_empty=False):
    """The parts of a path that leads nowhere but down. Raises Unwanted."""
    parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".")]
    if name.startswith(("/", "\\")) or ".." in parts or name[1:3] in (":\\", ":/"):
        raise Unwanted(f"{shown(name)} is a path that leads out of the code.")
    if any(sign < " " for sign in name):
        raise Unwanted(f"{shown(name)} has control characters in its name.")
    too_long = any(len(os.fsencode(part)) > LONGEST_NAME for part in parts) or len(name) > LONGEST_PATH
    if too_long or len(parts) > DEEPEST:
        raise Unwanted(f"The path {shown(name)} is too long.")
    if not parts and not may_be_empty:
        raise Unwanted("A file has no name.")
    return parts


def shown(name):
    """A name for a sentence: short, and nothing that a page or a terminal could take for something else."""
    text = "".join(sign if sign.isprintable() else "�" for sign in name)
    return f"“{text if len(text) <= 80 else text[:79] + '…'}”"


def make_folder(place, name):
    try:
        os.mkdir(place, 0o700)
    except FileExistsError as error:
        if not os.path.isdir(place):
            raise Unwanted(f"{shown(name)} is below a file of that name.") from error


def opened(place, name):
    try:
        return open(place, "xb")
    except FileExistsError as error:
        raise Unwanted(f"{shown(name)} is there twice.") from error


def say(answer_to):
    """The program's only line: an object, or the sentence why not. `answer_to` gets the words of the command."""
    print(json.dumps(answer_to(*sys.argv[1:])), flush=True)
