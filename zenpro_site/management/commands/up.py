"""`zenpro up`: everything in one command, on a fresh machine and on every later day."""

import contextlib
import fcntl
import json
import os
import secrets
import signal
import socket
import subprocess
import time
from argparse import ArgumentTypeError
from pathlib import Path
from uuid import UUID

import httpx
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from orgs.users.first_sign_in import make_path
from orgs.users.models import Actor
from tenants.hosting.base import ServerError, StartFailed, TenantError
from tenants.hosting.local import box, groups
from tenants.hosting.local.box import Isolation
from tenants.hosting.local.supervisor import Supervisor, disk_errors, write_private
from zenpro_site import demo, programs, running, static_files
from zenpro_site.common import modes
from zenpro_site.common.addresses import authority, reachable
from zenpro_site.common.characters import printable
from zenpro_site.common.refusals import Refused
from zenpro_site.env import as_host
from zenpro_site.first_account import make_superuser, unused_superuser

READY_TIMEOUT = 60.0  # seconds for the web process to answer
STOP_TIMEOUT = 60.0  # for everything to end; each program is killed by the supervisor after 25 at most
KILL_TIMEOUT = 10.0


class Command(BaseCommand):
    help = "Start ZenPro: database, web, agent and every tenant. Ctrl-C stops everything; your data stays."

    def add_arguments(self, parser):
        parser.add_argument(
            "--host", type=host, default="127.0.0.1", help="address to listen on (default 127.0.0.1)"
        )
        parser.add_argument("--port", type=port, default=8000, help="port to listen on (default 8000)")
        parser.add_argument(
            "--no-demo", action="store_true", help="start a new installation without the demo"
        )

    def handle(self, *, host, port, no_demo, **options):
        self.began = time.monotonic()
        with self._only_one(), contextlib.suppress(KeyboardInterrupt):
            for number in (signal.SIGINT, signal.SIGTERM):  # also when a shell started us with them ignored
                signal.signal(number, signal.default_int_handler)
            check_port(host, port)
            try:
                self._run(host, port, no_demo)
            except ServerError as error:  # of the supervisor: in words already
                raise CommandError(str(error)) from error

    def _run(self, host: str, port: int, no_demo: bool) -> None:
        ours = f"http://{authority(reachable(host), port)}"
        url = settings.ZENPRO_URL if settings.ZENPRO_URL_IS_SET else ours
        self.stdout.write(f"Starting ZenPro, data in {settings.ZENPRO_DATA}\n")
        self._close()
        running.write_note(running.Start(self._isolation(), url))
        self._prepare()
        admin, password = self._first_account(no_demo)
        supervisor = Supervisor(settings.ZENPRO_DATA)
        for program in (programs.web(host, port, url), programs.agent(url)):
            supervisor.write(program)
        with self._step("Web and agent"):
            child = supervisor.spawn()
        try:
            self._wait_ready(child, ours)
            self._demo()
            self._tell(url, admin, password)
            child.wait()
        finally:
            self._stop(supervisor, child)

    # -- steps

    @contextlib.contextmanager
    def _step(self, name: str):
        began = time.monotonic()
        yield
        self._line(name, time.monotonic() - began)

    def _line(self, name: str, seconds: float) -> None:
        self.stdout.write(f"  {self.style.SUCCESS('✓')} {printable(name):<52} {seconds:6.1f} s")
        self.stdout.flush()

    @contextlib.contextmanager
    def _only_one(self):
        """One `zenpro up` per data folder; the kernel lets the lock go however we end."""
        folder = settings.ZENPRO_DATA / "run"
        folder.mkdir(parents=True, exist_ok=True)
        with open(folder / "up.lock", "a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise CommandError(
                    f"ZenPro is already running on {settings.ZENPRO_DATA}. Stop it first, "
                    "or set ZENPRO_DATA to another folder."
                ) from error
            yield

    def _isolation(self) -> Isolation:
        """Find and say how tenants are isolated; without any walls only when the operator accepted that."""
        try:
            found = box.chosen(settings.ZENPRO_ISOLATION)
        except StartFailed as error:
            raise CommandError(error.reason) from error
        mark = (
            self.style.SUCCESS("✓") if found.kind is box.IsolationKind.BUBBLEWRAP else self.style.WARNING("!")
        )
        self.stdout.write(f"  {mark} {found.sentence}")
        for words in filter(None, (found.leaves_open, found.remedy)):
            self.stdout.write(f"    {words}")
        limits = settings.ZENPRO_RUN_MEMORY, settings.ZENPRO_RUN_CPUS
        self.stdout.write(f"  {groups.sentence(groups.prepare(), *limits)}")
        if os.geteuid() == 0:
            self.stdout.write(
                "  ! ZenPro runs as root. A service account of its own is safer; tenants' programs"
            )
            self.stdout.write("    get none of root's rights either way.")
        return found

    def _close(self) -> None:
        """Existing data folders too: no one else on the machine may read them."""
        if mended := modes.mend(settings.ZENPRO_DATA):
            count = len(mended)
            self.stdout.write(
                f"  Files or folders in it that other accounts could open: {count}. They are closed now."
            )

    def _prepare(self) -> None:
        with self._step("Database"):
            call_command("migrate", verbosity=0, interactive=False)
        with self._step("Pages and styles"):
            static_files.collect()

    def _first_account(self, no_demo: bool):
        """(superuser, password) on the very first start; a superuser alone until someone has signed in."""
        if get_user_model().objects.exists():
            return unused_superuser(), ""
        password = secrets.token_urlsafe(15)
        with self._step("First account"):
            admin = make_superuser(password)
        write_demo({"wanted": not no_demo and settings.ZENPRO_LOCAL_TENANTS, "admin": str(admin.pk)})
        return admin, password

    def _wait_ready(self, child, ours: str) -> None:
        deadline = time.monotonic() + READY_TIMEOUT
        while time.monotonic() < deadline and child.poll() is None:
            with contextlib.suppress(httpx.HTTPError):
                if httpx.get(f"{ours}/livez", timeout=2, trust_env=False).is_success:
                    return
            time.sleep(0.1)
        log = Path(settings.ZENPRO_DATA) / "logs" / "web.log"
        raise CommandError(f"The web process does not answer. See {log}.")

    def _demo(self) -> None:
        """Make what is missing of the demo. A failure is told, and ZenPro goes on without it."""
        admin = self._wants_demo()
        if admin is None:
            return
        try:
            self._make_demo(admin)
            write_demo({"wanted": False, "admin": str(admin.pk)})
        except (demo.DemoFailed, Refused, ServerError, TenantError) as error:
            self.stderr.write(self.style.ERROR(f"  ✗ The demo is not complete: {printable(str(error))}"))
            self.stderr.write("    The next start will try again.")

    def _wants_demo(self):
        """Whose demo is to be made; None when none is, or when the note about it cannot be read."""
        try:
            state = json.loads(demo_file().read_text())
            pk = UUID(state["admin"]) if state["wanted"] is True else None
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            self.stderr.write(
                f"  ! {demo_file()} can't be read, so no demo is created. You can delete the file."
            )
            return None
        return get_user_model().objects.filter(pk=pk).first()

    def _make_demo(self, admin) -> None:
        by = Actor(admin)
        with self._step("Organization Demo"):
            org = demo.organization(by)
        tenant = demo.tenant(org, by)
        demo.wait_until_available(tenant, lambda note, seconds: self._line(f"Tenant demo: {note}", seconds))
        with self._step("Example pipeline, one run"):
            run_id = demo.first_run(tenant, by)
        with self._step("Template from that run"):
            demo.template(tenant, run_id, by)

    def _tell(self, url: str, admin, password: str) -> None:
        seconds = time.monotonic() - self.began
        self.stdout.write(f"\nZenPro is ready after {seconds:.0f} s: {self.style.SUCCESS(url)}")
        if admin:
            self.stdout.write(f"  Sign in with this link (works once):  {url}{make_path(admin)}")
        if admin and password:
            self.stdout.write(f"  or as {admin.email} with the password {password}")
            self.stdout.write("  The password won't be shown again.")
        elif admin:
            self.stdout.write(f"  It signs in {admin.email}, because no one has signed in yet.")
        self.stdout.write("Ctrl-C stops everything; your data stays.\n")
        self.stdout.flush()

    def _stop(self, supervisor: Supervisor, child) -> None:
        self.stdout.write("\nStopping ...")
        self.stdout.flush()
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        with contextlib.suppress(ServerError):  # what is left is killed below
            supervisor.shutdown()
        try:
            child.wait(timeout=STOP_TIMEOUT)
            self.stdout.write("Stopped.")
        except subprocess.TimeoutExpired:
            child.kill()  # what it started dies with it
            self.stdout.write(f"Not everything stopped within {STOP_TIMEOUT:.0f} s; the rest was killed.")
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(timeout=KILL_TIMEOUT)


def demo_file() -> Path:
    return settings.ZENPRO_DATA / "demo.json"


def write_demo(state: dict) -> None:
    """Whether the demo is still to be made, and for whom. A kill leaves the old note or the new one, never half."""
    with disk_errors():
        write_private(demo_file(), json.dumps(state))


def host(text: str) -> str:
    """Argument: a host name or IP address, without brackets."""
    try:
        return as_host("--host", text).strip("[]")
    except ImproperlyConfigured as error:
        raise ArgumentTypeError(str(error)) from error


def port(text: str) -> int:
    """Argument: a port to listen on."""
    if not (text.isascii() and text.isdecimal()) or not 0 < int(text) < 65536:
        raise ArgumentTypeError(f"{text!r} is not a port. Use 1 to 65535.")
    return int(text)


def check_port(host: str, port: int) -> None:
    """Refuse a busy port at once, with what to do."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except OSError as error:
        raise CommandError(
            f"{authority(host, port)} cannot be used: {error.strerror}. Choose another with --host or --port."
        ) from error
