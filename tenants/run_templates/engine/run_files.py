"""What runs leave on this machine, whoever carries them out: the folder data/runs/<id> with what they printed."""

import os
from pathlib import Path
from uuid import UUID

from django.conf import settings

KEPT = "written.tar.gz"  # what a failed run wrote beside its code
TAIL_BYTES = 64 * 1024


def folder_of(run_id: UUID) -> Path:
    return settings.ZENPRO_DATA / "runs" / str(run_id)


def output_file(run_id: UUID) -> Path:
    """What the runner and its steps print."""
    return folder_of(run_id) / "output.log"


def kept_file(run_id: UUID) -> Path:
    """What a failed run wrote beside its code, while it is kept."""
    return folder_of(run_id) / KEPT


def last_lines(run_id: UUID, lines: int) -> list[str]:
    """Of what it printed, oldest first. Reads at most 64 KB."""
    try:
        with open(output_file(run_id), "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - TAIL_BYTES))
            text = file.read().decode(errors="replace")
    except OSError:
        return []
    return text.splitlines()[-lines:] if lines > 0 else []
