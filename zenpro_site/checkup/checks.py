"""All checks of an installation, each by itself: none stops the others, none waits without a limit."""

from collections.abc import Callable
from functools import partial

import structlog

from . import database, kubernetes, machine, network, storage, tenants
from .findings import Finding, Level, problem

log = structlog.get_logger("zenpro.checkup")

Check = Callable[[], list[Finding]]
CHECKS: dict[str, Check] = {
    "isolation": machine.check_isolation,
    "account": machine.check_account,
    "files": machine.check_files,
    "keys": database.check_keys,
    "database": database.check_database,
    "disk": machine.check_disk,
    "programs": machine.check_programs,
    "tenants": tenants.check_tenants,
    "cluster": kubernetes.check_cluster,
    "storage": storage.check_storage,
    "database server": kubernetes.check_database_server,
    "ports": network.check_ports,
    "address": network.check_address,
    "mail": network.check_mail,
    "versions": machine.check_versions,
    "clock": machine.check_clock,
}


def run_checks(mail_to: str = "") -> list[tuple[str, Finding]]:
    """(name of the check, finding) of everything. `mail_to`: an address for a real test mail. Never raises."""
    checks = CHECKS | {"mail": partial(CHECKS["mail"], mail_to)} if mail_to else CHECKS
    return [(name, finding) for name, check in checks.items() for finding in _done(name, check)]


def _done(name: str, check: Check) -> list[Finding]:
    try:
        return check()
    except Exception as error:  # noqa: BLE001 - its words may hold a secret, so only its kind is told
        log.info("check failed", check=name, error=type(error).__name__)
        return [problem(f"This check could not run ({type(error).__name__}).")]


def problems_in(findings: list[tuple[str, Finding]]) -> int:
    return sum(finding.level is Level.PROBLEM for _, finding in findings)
