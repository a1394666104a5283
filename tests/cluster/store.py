"""Objects by key, and what happened to them in order. Whoever waits for something new is woken."""

import threading
import time
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass

from .kinds import Key, Kind


@dataclass(frozen=True)
class Happening:
    """`before` is what the object was, for a watcher whose selector no longer matches."""

    revision: int
    what: str  # ADDED, MODIFIED or DELETED
    key: Key
    obj: dict
    before: dict | None


class Store:
    """What comes out is a copy: nobody changes an object but by `put`. `lock` is held over reads that belong together."""

    def __init__(self):
        self.lock = threading.RLock()
        self.news = threading.Condition(self.lock)
        self.revision, self.forgotten, self.ended = 100, 0, False
        self._objects: dict[Key, dict] = {}
        self._history: list[Happening] = []

    def get(self, key: Key) -> dict | None:
        with self.lock:
            return deepcopy(self._objects.get(key))

    def of(self, kind: Kind, namespace: str = "") -> list[dict]:
        """Oldest first."""
        with self.lock:
            found = [k for k in self._objects if k.kind == kind and namespace in ("", k.namespace)]
            return [deepcopy(self._objects[key]) for key in found]

    def all_keys(self) -> list[Key]:
        with self.lock:
            return list(self._objects)

    def put(self, key: Key, obj: dict) -> dict:
        with self.lock:
            before = self._objects.get(key)
            new = self._stamped(obj)
            self._objects[key] = new
            self._note("MODIFIED" if before else "ADDED", key, new, before)
            return deepcopy(new)

    def drop(self, key: Key) -> dict:
        with self.lock:
            before = self._objects.pop(key)
            last = self._stamped(before)
            self._note("DELETED", key, last, before)
            return deepcopy(last)

    def _stamped(self, obj: dict) -> dict:
        self.revision += 1
        new = deepcopy(obj)
        new["metadata"]["resourceVersion"] = str(self.revision)
        return new

    def _note(self, what: str, key: Key, obj: dict, before: dict | None) -> None:
        self._history.append(Happening(self.revision, what, key, obj, before))
        self.news.notify_all()

    def since(self, revision: int, seconds: float) -> list[Happening]:
        """What happened after a revision; waits at most so long for something to happen."""
        with self.lock:
            self.news.wait_for(lambda: self.revision > revision or self.ended, seconds)
            return [one for one in self._history if one.revision > revision]

    def forget(self) -> None:
        """Watches that begin before now are told that this is too long ago."""
        with self.lock:
            self._history.clear()
            self.forgotten = self.revision

    def wake(self) -> None:
        with self.lock:
            self.news.notify_all()

    def end(self) -> None:
        with self.lock:
            self.ended = True
            self.news.notify_all()

    def until(self, found: Callable[[], object], seconds: float = 20):
        """What `found` answers as soon as it is something; asked again after each change."""
        until = time.monotonic() + seconds
        with self.lock:
            while not (answer := found()):
                left = until - time.monotonic()
                assert left > 0, f"Did not happen within {seconds} s: {found}"
                self.news.wait(min(left, 0.05))
            return answer
