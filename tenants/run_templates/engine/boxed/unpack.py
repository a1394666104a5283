"""Unpacks one archive into one empty folder: `python -I -S unpack.py archive folder bytes files`."""

import gzip
import os
import stat
import sys
import tarfile
import zipfile
import zlib

sys.path.insert(0, os.path.dirname(__file__))

from written import COMMIT, LONGEST_PATH, Unpacked, Unwanted, parts_of, say, shown

HEADER = 1024  # bytes a name may cost beside what is in its file
WRONG_KIND = "Send a .zip or .tar.gz file; this is neither."
DAMAGED = "The archive is damaged: {}."
LOCKED = "The archive has a password. Send one without."


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
        return archive.pax_headers.get("comment", "")


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
        raise Unwanted(f"{shown(member.name)} is another name of a file that is not in the archive.")
    with open(first, "rb") as reader:
        unpacked.add_file(member.name, reader, os.fstat(reader.fileno()).st_mode & stat.S_IXUSR)


# -- .zip


def unpack_zip(file, unpacked):
    with zipfile.ZipFile(file) as archive:
        for member in archive.infolist():
            take_entry(archive, member, unpacked)
        return archive.comment.decode(errors="replace")


def take_entry(archive, member, unpacked):
    if member.flag_bits & 1:
        raise Unwanted(LOCKED)
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
        comment = unpack_tar(file, unpacked)
    elif start[:2] == b"PK":
        comment = unpack_zip(file, unpacked)
    else:
        raise Unwanted(WRONG_KIND)
    unpacked.make_links()
    return comment


def answer_to(archive, folder, most_bytes, most_files):
    """{"commit": the id that `git archive` writes into what it packs, "" where there is none}, or why not."""
    try:
        with open(archive, "rb") as file:
            comment = unpack(file, Unpacked(folder, int(most_bytes), int(most_files)))
    except Unwanted as error:
        return str(error)
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, gzip.BadGzipFile) as error:
        return DAMAGED.format(shown(str(error) or type(error).__name__))
    except (NotImplementedError, ValueError, RuntimeError) as error:
        return f"The archive can't be read: {shown(str(error))}."
    return {"commit": comment if COMMIT.fullmatch(comment) else ""}


if __name__ == "__main__":
    say(answer_to)
