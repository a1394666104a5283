"""The log of a step where its file lies on this machine: its end is read, not the whole of it through the server.

The server has only one way to give a log, from its start and as one answer: 50,000 lines are 14 MB of it. Which file it
is, and that the person may read it, the server says when it shows them the step; what the file says, and what it is,
nobody vouches for: the code of a run may have put a link, a pipe or anything else in its place.
"""

import json
import os
import re
import stat
from collections.abc import Sequence
from pathlib import Path
from uuid import UUID

from tenants.hosting.answers import identifier, line, listing, mapping
from tenants.hosting.backends import backend_for
from tenants.models import Tenant
from tenants.runs.client import LogLine, Step, log_lines, resources

READ = 32 * 1024**2  # bytes from the end
LINES = 100_000  # of these: code that writes empty ones could fill a disk with as many as it likes
CUT = "The log is longer than 32 MB or 100,000 lines: this is its last part, and lines are counted from its beginning."
OLD = re.compile(r"^\[[0-9: -]{19} UTC\]\s*")  # how older clients begin a line


class LogFile(Sequence[LogLine]):
    """Lines of a file as the server would give them (artifact_log_store.parse_log_entry, 0.98); each is read when it
    is asked for."""

    def __init__(self, data: bytes, is_cut: bool = False):
        found = data.rsplit(b"\n", LINES)  # the first of them is all before the others
        is_cut = is_cut or b"\n" in found[0]
        self.lines = [one for one in found[is_cut:] if one.strip()]
        self.note = CUT if is_cut else ""

    def __len__(self) -> int:
        return len(self.lines)

    def __getitem__(self, place: int) -> LogLine:
        return _read(self.lines[place].decode(errors="replace").strip())


def _read(text: str) -> LogLine:
    if text.startswith("{") and text.endswith("}"):
        try:
            said = json.loads(text)
        except (ValueError, RecursionError):
            said = None
        if isinstance(said, dict) and isinstance(said.get("message"), str):
            return log_lines([said])[0]
    return log_lines([{"message": OLD.sub("", text, count=1)}])[0]


def stores_here(tenant: Tenant) -> Path | None:
    """Where the artifact stores of this tenant alone lie, if they do on this machine."""
    stores = backend_for(tenant).stores(tenant)
    return stores if stores and stores.is_dir() else None


def read_file(stores: Path, step: Step, source: str = "step") -> LogFile | None:
    """The log of a step that the server has shown to whoever asks; None when its file is not in these stores."""
    for one in listing(resources(step.raw).get("log_collection"), 50):
        body, log = mapping(mapping(one).get("body")), identifier(mapping(one).get("id"))
        store = identifier(body.get("artifact_store_id"))
        if log and store and line(body.get("source")) == source:
            return _opened(stores, store, log)
    return None


def _opened(stores: Path, store: UUID, log: UUID) -> LogFile | None:
    """Only ids make up the path, and no link in it is followed."""
    opened: list[int] = []
    try:
        opened.append(os.open(stores, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW))
        for name in (str(store), "logs"):
            opened.append(os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=opened[-1]))
        opened.append(os.open(f"{log}.log", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=opened[-1]))
        return _end_of(opened[-1])
    except OSError:
        return None
    finally:
        for descriptor in opened:
            os.close(descriptor)


def _end_of(descriptor: int) -> LogFile | None:
    """None for what is no file, or has a second name: that one may be of a file of somebody else."""
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1:
        return None
    start = max(found.st_size - READ, 0)
    return LogFile(os.pread(descriptor, READ, start), start > 0)
