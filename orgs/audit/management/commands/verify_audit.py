import re

from django.core.management import BaseCommand, CommandError

from orgs.audit.verify import Link, verify


def noted(text: str) -> Link:
    """ "18204:9f2a..." as this command prints it."""
    found = re.fullmatch(r"(\d{1,18}):([0-9a-f]{64})", text)
    if not found:
        raise CommandError("--known takes number:hash, as printed earlier by this command.")
    return Link(int(found[1]), found[2])


class Command(BaseCommand):
    help = "Check the audit log: names the first entry that was changed, removed, moved or inserted, and exits with 1."

    def add_arguments(self, parser):
        parser.add_argument(
            "--known", metavar="NUMBER:HASH", help="the end of the chain, as noted elsewhere earlier"
        )

    def handle(self, *args, known=None, **options):
        report = verify(noted(known) if known else None)
        if report.broken:
            raise CommandError(f"The audit log is broken: {report.broken}.")
        self.stdout.write(
            f"{report.end.number} entries are intact. Note the end of the chain somewhere else:"
        )
        self.stdout.write(f"{report.end.number}:{report.end.hash}")
