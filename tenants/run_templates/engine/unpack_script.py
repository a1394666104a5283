"""Runs inside a box that holds one archive and one empty folder, and unpacks the one into the other.

`python unpack_script.py archive folder bytes files`. What it says is one line of JSON: null, or the sentence that tells
a person why the archive is refused. Names are written below the folder alone; links are made when all files are there,
so that nothing is ever written through one.
"""

import gzip
import json
import os
import stat
import sys
import tarfile
import zipfile
import zlib

CHUNK = 64 * 1024
LONGEST_NAME = 255  # bytes of one part of a path, as file systems have it
LONGEST_PATH = 1024
DEEPEST = 100
HEADER = 1024  # bytes a name may cost beside what is in its file
WRONG_KIND = "Upload a .zip or .tar.gz file; this is neither."
DAMAGED = "The archive is damaged: {}."
LOCKED = "The archive has a password. Upload one without."


class Refused(Exception):
    """The archive is not unpacked, and why."""


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
        return Refused(
            f"The archive contains more than {self.most_bytes // 1024**2} MB or {self.most_files:,} files. "
            "Pack the folder of the code itself; data belongs elsewhere."
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
                raise Refused(f"The archive holds {shown(name)} twice.") from error


def parts_of(name, may_be_empty=False):
    """The parts of a path that leads nowhere but down. Raises Refused."""
    parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".")]
    if name.startswith(("/", "\\")) or ".." in parts or name[1:3] in (":\\", ":/"):
        raise Refused(f"The archive holds {shown(name)}, a path that leads out of it.")
    if any(sign < " " for sign in name):
        raise Refused(f"The archive holds {shown(name)}, a name with control characters.")
    too_long = any(len(os.fsencode(part)) > LONGEST_NAME for part in parts) or len(name) > LONGEST_PATH
    if too_long or len(parts) > DEEPEST:
        raise Refused(f"The archive holds {shown(name)}, a path that is too long.")
    if not parts and not may_be_empty:
        raise Refused("The archive holds a file without a name.")
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
            raise Refused(f"The archive holds {shown(name)} below a file of that name.") from error


def opened(place, name):
    try:
        return open(place, "xb")
    except FileExistsError as error:
        raise Refused(f"The archive holds {shown(name)} twice.") from error


# -- .tar.gz


class Counted:
    """What comes out of the compression, counted before anyone reads it: headers can be long as well."""

    def __init__(self, file, unpacked):
        self.reader, self.unpacked = gzip.GzipFile(fileobj=file), unpacked
        self.left = unpacked.most_bytes + HEADER * unpacked.most_files

    def read(self, size):
        data = self.reader.read(min(size, self.left + 1))
        self.left -= len(data)
        if self.left < 0:
            raise self.unpacked.too_much()
        return data


def unpack_tar(file, unpacked):
    """One member after the other; nothing of it is kept in memory."""
    with tarfile.open(fileobj=Counted(file, unpacked), mode="r|") as archive:
        for member in archive:
            take_member(archive, member, unpacked)
            archive.members.clear()


def take_member(archive, member, unpacked):
    """A folder, a file, or a link; devices and pipes are no code."""
    if member.isdir():
        unpacked.add_folder(member.name)
    elif member.issym():
        unpacked.add_link(member.name, member.linkname)
    elif member.islnk():
        take_twin(member, unpacked)
    elif member.isreg():
        unpacked.add_file(member.name, archive.extractfile(member), member.mode & stat.S_IXUSR)


def take_twin(member, unpacked):
    """Another name of a file that came before: a copy of it."""
    first = os.path.join(unpacked.folder, *parts_of(member.linkname))
    if not os.path.isfile(first):
        raise Refused(f"The archive links {shown(member.name)} to a file that it does not hold.")
    with open(first, "rb") as reader:
        unpacked.add_file(member.name, reader, os.fstat(reader.fileno()).st_mode & stat.S_IXUSR)


# -- .zip


def unpack_zip(file, unpacked):
    with zipfile.ZipFile(file) as archive:
        for member in archive.infolist():
            take_entry(archive, member, unpacked)


def take_entry(archive, member, unpacked):
    if member.flag_bits & 1:
        raise Refused(LOCKED)
    mode = member.external_attr >> 16 if member.create_system == 3 else 0
    if member.is_dir():
        unpacked.add_folder(member.filename)
    elif stat.S_ISLNK(mode):
        with archive.open(member) as reader:
            unpacked.add_link(member.filename, os.fsdecode(reader.read(LONGEST_PATH)))
    elif stat.S_IFMT(mode) in (0, stat.S_IFREG):
        with archive.open(member) as reader:
            unpacked.add_file(member.filename, reader, mode & stat.S_IXUSR)


# -- both


def unpack(file, unpacked):
    start = file.read(4)
    file.seek(0)
    if start[:2] == b"\x1f\x8b":
        unpack_tar(file, unpacked)
    elif start[:2] == b"PK":
        unpack_zip(file, unpacked)
    else:
        raise Refused(WRONG_KIND)
    unpacked.make_links()


def refusal_of(archive, folder, most_bytes, most_files):
    """None when all of it has been unpacked."""
    try:
        with open(archive, "rb") as file:
            unpack(file, Unpacked(folder, int(most_bytes), int(most_files)))
    except Refused as error:
        return str(error)
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, gzip.BadGzipFile) as error:
        return DAMAGED.format(shown(str(error) or type(error).__name__))
    except (NotImplementedError, ValueError, RuntimeError) as error:
        return f"The archive can't be read: {shown(str(error))}."
    return None


if __name__ == "__main__":
    print(json.dumps(refusal_of(*sys.argv[1:])), flush=True)
