"""Whether a disk has room for anything more. One answer for builds, re-runs and checks."""

import os
import shutil
from pathlib import Path

MIN_FREE = 512 * 1024**2  # bytes; an environment is about 200 MB, a run and its artifacts as much
MIN_FILES = 10_000  # an environment is as many


def free_bytes(folder: Path) -> int:
    """What this account may still write on the disk of a folder, which need not exist yet."""
    return shutil.disk_usage(_existing(folder)).free


def shortage(folder: Path) -> str:
    """Why nothing new can start on the disk of this folder, as a sentence; "" when there is space."""
    if free_bytes(folder) < MIN_FREE:
        return f"Less than {MIN_FREE // 1024**2} MB are free on the disk of the data folder."
    found = os.statvfs(_existing(folder))
    if found.f_files and found.f_favail < MIN_FILES:
        return "The disk of the data folder has no room for more files."
    return ""


def _existing(folder: Path) -> Path:
    return next((path for path in (folder, *folder.parents) if path.exists()), Path("/"))
