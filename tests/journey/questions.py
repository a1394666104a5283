"""Python asked inside an installation, by one process that stays: starting one costs two seconds of a processor."""

import json
import os
import select
import subprocess
import time
from pathlib import Path

SAID = "SAID "  # before what is for us; the rest are words of the code
# What the process does: each line is code, as JSON; what the code calls `answer` goes back, or what went wrong.
LOOP = f"""
import json, sys, traceback
from django.db import connections
print({SAID!r}, flush=True)
for line in sys.stdin:
    names = {{}}
    try:
        exec(json.loads(line), names)
        told = {{"answer": names["answer"]}}
    except BaseException:
        told = {{"wrong": traceback.format_exc()}}
    connections.close_all()
    print({SAID!r} + json.dumps(told, default=str), flush=True)
"""


class Questions:
    """The process is started by the first question; `close` ends it."""

    def __init__(self, command: list[str], cwd: Path):
        self.command, self.cwd, self.process, self.unread = command, cwd, None, b""

    def ask(self, code: str, env: dict[str, str], limit: float = 1000):
        """What `answer` is after this code; AssertionError with what was said when it fails or takes longer."""
        if self.process is None or self.process.poll() is not None:
            self._start(env, limit)
        self.process.stdin.write(json.dumps(code).encode() + b"\n")
        self.process.stdin.flush()
        told = json.loads(self._said(limit))
        assert "answer" in told, told["wrong"]
        return told["answer"]

    def _start(self, env, limit) -> None:
        self.unread = b""
        self.process = subprocess.Popen(
            self.command, cwd=self.cwd, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self._said(limit)

    def _said(self, limit) -> str:
        """What it says to us next."""
        while not (line := self._line(limit)).startswith(SAID):
            pass
        return line.removeprefix(SAID)

    def _line(self, limit) -> str:
        deadline, pipe = time.monotonic() + limit, self.process.stdout
        while b"\n" not in self.unread:
            assert time.monotonic() < deadline, f"No answer within {limit} s."
            if select.select([pipe], [], [], 0.2)[0]:
                got = os.read(pipe.fileno(), 65536)
                assert got, "The process that answers has ended."
                self.unread += got
        line, _, self.unread = self.unread.partition(b"\n")
        return line.decode()

    def close(self) -> None:
        if self.process is not None:
            self.process.stdin.close()
            self.process.wait(60)
            self.process.stdout.close()
            self.process = None
