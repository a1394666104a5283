"""`zenpro doctor`: looks at an installation and says what to do. Changes nothing, whether ZenPro runs or not."""

import json
from dataclasses import asdict

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.core.validators import validate_email
from django.db import connection

from zenpro_site.checkup.checks import problems_in, run_checks
from zenpro_site.checkup.findings import Finding, Level

MARKS = {Level.OK: "✓", Level.WARNING: "!", Level.PROBLEM: "✗"}
WAIT = 5  # seconds for the database to be reached, and for each of its answers


class Command(BaseCommand):
    help = "Check isolation, files, disk, ports, versions, mail, database and clock, and say what to do."
    requires_system_checks = []  # what they would say is said here

    def add_arguments(self, parser):
        parser.add_argument("--json", action="store_true", help="print one JSON document")
        parser.add_argument(
            "--mail", metavar="ADDRESS", default="", help="also send a test email to this address"
        )

    def handle(self, *args, mail, **options):
        if mail:
            check_address(mail)
        limit_waiting()
        findings = run_checks(mail)
        self._json(findings) if options["json"] else self._lines(findings)
        if count := problems_in(findings):
            raise CommandError("1 problem found." if count == 1 else f"{count} problems found.")

    def _json(self, findings: list[tuple[str, Finding]]) -> None:
        rows = [{"check": name, **asdict(finding)} for name, finding in findings]
        self.stdout.write(json.dumps({"well": not problems_in(findings), "findings": rows}, indent=2))

    def _lines(self, findings: list[tuple[str, Finding]]) -> None:
        styles = {
            Level.OK: self.style.SUCCESS,
            Level.WARNING: self.style.WARNING,
            Level.PROBLEM: self.style.ERROR,
        }
        for name, finding in findings:
            mark = styles[finding.level](MARKS[finding.level])
            self.stdout.write(f"{mark} {name:<10} {finding.text}")
            if finding.remedy:
                self.stdout.write(f"{'':<13}→ {finding.remedy}")
        if not problems_in(findings):
            self.stdout.write("No problems found.")


def check_address(mail: str) -> None:
    try:
        validate_email(mail)
    except ValidationError as error:
        raise CommandError(f"{mail} is not an email address.") from error


def limit_waiting() -> None:
    """A database that does not answer is a finding as well."""
    if connection.vendor == "postgresql":
        options = connection.settings_dict["OPTIONS"]
        own = f"{options.get('options', '')} -c statement_timeout={WAIT * 1000}".strip()
        connection.settings_dict["OPTIONS"] = options | {"connect_timeout": WAIT, "options": own}
