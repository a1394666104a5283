"""A whole ZenPro of its own for a test: `zenpro up` as a process, with its own data, home and mail server."""

import os
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import httpx
from aiosmtpd.controller import Controller

from tests.tenants.hosting.stub_control_plane import free_port

from .questions import LOOP, Questions

ROOT = Path(__file__).resolve().parents[2]


class Mailbox:
    """Collects what the SMTP server gets."""

    def __init__(self):
        self.mails = []

    async def handle_DATA(self, server, session, envelope):
        self.mails.append((envelope.rcpt_tos, envelope.content.decode(errors="replace")))
        return "250 OK"


@dataclass
class Installation:
    data: Path
    port: int = field(default_factory=free_port)
    mailbox: Mailbox = field(default_factory=Mailbox)
    process: subprocess.Popen | None = None
    output: str = ""
    styles: ClassVar[Path | None] = None  # of the first one that started; making them takes ten seconds

    def __post_init__(self):
        self.smtp = Controller(self.mailbox, hostname="127.0.0.1", port=free_port())
        self.smtp.start()
        self.questions = Questions([sys.executable, "-m", "zenpro_site", "shell", "-v0", "-c", LOOP], ROOT)
        first = free_port(together=21)
        self.ports = (first, first + 20)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def env(self) -> dict[str, str]:
        kept = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith(("ZENPRO", "DJANGO", "ZENML", "DATABASE_URL"))
        }
        return kept | {
            "ZENPRO_DATA": str(self.data),
            "ZENPRO_ISOLATION": os.environ.get("ZENPRO_ISOLATION", ""),  # attacked as the caller says
            "HOME": str(self.data / "home"),
            "UV_CACHE_DIR": os.environ.get("UV_CACHE_DIR", str(Path.home() / ".cache" / "uv")),
            "EMAIL_URL": f"smtp://127.0.0.1:{self.smtp.port}",
            "ZENPRO_TENANT_PORT_FIRST": str(self.ports[0]),
            "ZENPRO_TENANT_PORT_LAST": str(self.ports[1]),
        }

    def up(self, *args: str, ready: str = "ZenPro is ready", limit: float = 900) -> str:
        """Start and wait for a line; returns all it printed until then."""
        (self.data / "home").mkdir(parents=True, exist_ok=True)
        self._take_styles()
        command = [sys.executable, "-m", "zenpro_site", "up", "--port", str(self.port), *args]
        self.process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=self.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self.output = ""
        self._read_until(ready, limit)
        if "Ctrl-C" not in self.output:
            self._read_until("Ctrl-C", 120)
        type(self).styles = self.styles or self.data / "staticfiles"
        return self.output

    def _take_styles(self) -> None:
        """What another installation of this code has made."""
        here = self.data / "staticfiles"
        if self.styles and self.styles.exists() and not here.exists():
            shutil.copytree(self.styles, here)
            shutil.copy(self.styles.with_suffix(".made"), here.with_suffix(".made"))

    def _read_until(self, words: str, limit: float) -> None:
        deadline, pipe = time.monotonic() + limit, self.process.stdout
        while words not in self.output:
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise AssertionError(f"`zenpro up` never said {words!r}:\n{self.output}\n{self.logs()}")
            if select.select([pipe], [], [], 0.2)[0]:
                self.output += os.read(pipe.fileno(), 65536).decode()

    def logs(self) -> str:
        files = sorted((self.data / "logs").glob("*.log"))
        return "\n".join(f"--- {file.name}\n{file.read_text(errors='replace')[-3000:]}" for file in files)

    def stop(self) -> None:
        """Ctrl-C, and wait."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.communicate(timeout=300)

    def close(self) -> None:
        self.questions.close()
        self.stop()
        self.smtp.stop()

    @property
    def sign_in_link(self) -> str:
        return re.search(r"(http\S+/first-sign-in/\S+)", self.output)[1]

    def manage(self, *args: str, told_url: bool = True) -> str:
        """A management command in this installation. `told_url`: with ZENPRO_URL set."""
        done = subprocess.run(
            [sys.executable, "-m", "zenpro_site", *args],
            cwd=ROOT,
            env=self.env | ({"ZENPRO_URL": self.url} if told_url else {}),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def ask(self, code: str):
        """Run Python inside this installation; `answer = ...` in it comes back as JSON."""
        return self.questions.ask(code, self.env | {"ZENPRO_URL": self.url})

    def program_pid(self, name: str) -> int:
        """Pid of a program under the supervisor."""
        return self.ask(
            "from django.conf import settings\n"
            "from tenants.hosting.local.supervisor import Supervisor\n"
            f"answer = Supervisor(settings.ZENPRO_DATA).status({name!r}).pid"
        )

    def get(self, path: str, **kwargs) -> httpx.Response:
        return httpx.get(self.url + path, trust_env=False, timeout=60, **kwargs)


def wait_for(check, limit: float = 600, every: float = 0.2):
    """The first true answer of `check()`; fails after `limit` seconds."""
    deadline = time.monotonic() + limit
    while time.monotonic() < deadline:
        if found := check():
            return found
        time.sleep(every)
    raise AssertionError(f"not within {limit} s")
