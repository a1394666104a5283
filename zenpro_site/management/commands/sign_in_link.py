"""`zenpro sign_in_link`: let in someone who can't get email. For whoever runs this installation."""

from django.core.management.base import BaseCommand, CommandError

from orgs.invitations.actions import account_of
from orgs.users.actions import link_made
from orgs.users.first_sign_in import make_path
from zenpro_site.first_account import first_person
from zenpro_site.running import address as our_address


class Command(BaseCommand):
    help = "Print a link that signs a person in once, for example to set a new password when no mail server is set up."

    def add_arguments(self, parser):
        parser.add_argument(
            "address",
            nargs="?",
            help="the address the person signs in with; without it, the first superuser's, until someone has signed in",
        )

    def handle(self, *, address, **options):
        person = named(address) if address else first_person()
        if person is None:
            raise CommandError("Someone has signed in already. Name the address the link is for.")
        link_made(person=person)
        self.stdout.write(our_address() + make_path(person))


def named(address: str):
    person = account_of(address)
    if person is None or person.is_service_account or not person.is_active:
        raise CommandError(f"No one with the address {address} can sign in.")
    return person
