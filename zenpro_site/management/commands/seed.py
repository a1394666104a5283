"""`zenpro seed`: a large organization for trying things out and for measuring."""

import time

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from orgs.users.models import Actor, User
from zenpro_site.common.names import plain_line
from zenpro_site.seed import Sizes, is_seeded, seed


def count(text: str) -> int:
    number = int(text)
    if not 0 <= number <= 200_000:
        raise ValueError
    return number


class Command(BaseCommand):
    help = (
        "Create a large organization: people, teams, roles and tenants without servers. None of its people can sign "
        "in; a superuser becomes its Admin. Accounts can never be deleted, so use it only in trial installations."
    )

    def add_arguments(self, parser):
        parser.add_argument("--members", type=count, default=1000, help="people (default 1000)")
        parser.add_argument("--teams", type=count, default=50, help="teams (default 50)")
        parser.add_argument("--tenants", type=count, default=20, help="tenants (default 20)")
        parser.add_argument(
            "--organization", default="Seeded", help="its name; a number is added if it is taken"
        )
        parser.add_argument("--admin", metavar="EMAIL", help="who becomes its Admin (default: a superuser)")
        parser.add_argument("--yes", action="store_true", help="also where people already have accounts")

    def handle(self, *, members, teams, tenants, organization, admin, yes, **options):
        by = self._admin(admin)
        people = User.objects.filter(is_service_account=False)
        people = people.count() - is_seeded(people).count()
        if people > 1 and not yes:
            raise CommandError(
                f"{people} people have accounts here, and the accounts this creates can never be deleted. "
                "Add --yes to create them anyway."
            )
        try:
            plain_line(organization)
        except ValidationError as error:
            raise CommandError(f"--organization: {error.messages[0]}") from error
        self._seed(organization, Sizes(members, teams, tenants), by)

    def _admin(self, email: str | None) -> Actor:
        wanted = {"email__iexact": email} if email else {"is_superuser": True}
        found = User.objects.filter(is_active=True, **wanted).order_by("date_joined").first()
        if found is None:
            raise CommandError(
                f"No active account has the address {email}."
                if email
                else "There is no superuser yet to become its Admin: run `zenpro up` or `zenpro createsuperuser`."
            )
        return Actor(found)

    def _seed(self, name: str, sizes: Sizes, by: Actor) -> None:
        began = time.monotonic()
        org = seed(name=name, sizes=sizes, by=by)
        self.stdout.write(
            f"{org.name} is ready after {time.monotonic() - began:.0f} s: {org.memberships.count()} members, "
            f"{org.teams.count()} teams, {org.tenants.count()} tenants without servers, "
            f"{org.roles.count()} roles, {org.invitations.count()} invitations."
        )
        self.stdout.write(f"{by.person.email} is its Admin: {org.get_absolute_url()}")
