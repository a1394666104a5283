"""Containers that are real programs of this machine."""

from pathlib import Path

from .images import Runs
from .store import Store


class Processes:
    def __init__(self, store: Store, folder: Path):
        self.store, self.folder = store, folder

    def start(self, pod: dict, container: dict, image: Runs, env: dict[str, str]):
        raise NotImplementedError

    def close(self) -> None:
        pass
