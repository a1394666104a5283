"""Every kind of tampering is found by verify_audit, and nothing honest is taken for it."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from io import StringIO
from uuid import uuid4

import pytest
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from factories import make_member, make_org, make_team, make_user
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orgs.audit.chain import digest
from orgs.audit.models import AuditEvent, AuditHead
from orgs.audit.verify import Link, in_chunks, verify
from orgs.invitations.actions import Offer, invite
from orgs.organizations.actions import delete_organization, update_organization
from orgs.users.models import Actor, Origin

LENGTH = 5
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
LEAF = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT
JSON = st.dictionaries(
    TEXT,
    st.recursive(LEAF, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner)),
    max_size=4,
)


@pytest.fixture
def chain(org, owner):
    """Five events of one organization, one refused among them."""
    team = make_team(org, "risk")
    return [
        AuditEvent.objects.record(
            "team.updated",
            team,
            by=Actor(owner) if number % 2 else None,
            organization=org,
            after={"round": number},
            outcome="refused" if number == 3 else "done",
        )
        for number in range(1, LENGTH + 1)
    ]


def rows(**where):
    """Events as someone with access to the database reaches them."""
    return AuditEvent._base_manager.filter(**where)


def rewrite(number: int, **fields):
    """Change an entry and make its own hash fit."""
    rows(number=number).update(**fields)
    rows(number=number).update(hash=digest(rows(number=number).get()))


def copy_of(original: int, **fields):
    event = rows(number=original).get()
    event.pk, event.uuid = None, uuid4()
    for name, value in fields.items():
        setattr(event, name, value)
    event.hash = digest(event)
    event.save(force_insert=True)
    return event


@pytest.mark.parametrize("change", ["update", "delete", "bulk_create", "bulk_update"])
def test_events_are_neither_changed_nor_deleted(chain, org, change):
    for events in (AuditEvent.objects.all(), org.audit_events.filter(number=1)):
        with pytest.raises(TypeError, match="neither changed nor deleted"):
            getattr(events, change)()
    assert rows().count() == LENGTH


@pytest.mark.parametrize(
    "fields",
    [
        {"actor_label": "Somebody else"},
        {"action": "team.created"},
        {"target_type": "tenant"},
        {"target_id": "other"},
        {"target_label": "fraud"},
        {"before": {"round": 2}},
        {"after": {"round": 33}},
        {"after": {"round": "3"}},
        {"after": {"round": True}},
        {"outcome": "done"},
        {"via": "page"},
        {"ip": "192.0.2.1"},
        {"request_id": "r"},
        {"uuid": uuid4()},
        {"actor_key": ""},
        {"organization_key": str(uuid4())},
        {"previous_hash": ""},
        {"hash": "0" * 64},
    ],
    ids=lambda fields: next(iter(fields)),
)
def test_edited_entry_is_named(chain, fields):
    rows(number=3).update(**fields)
    assert verify().broken == "#3 was changed"


def test_moved_clock_is_named(chain):
    rows(number=4).update(at=chain[3].at + timedelta(microseconds=1))
    assert verify().broken == "#4 was changed"


def test_entry_edited_together_with_its_hash_is_named(chain):
    rewrite(3, target_label="fraud")
    assert verify().broken.startswith("#3 was replaced")


def test_last_entry_edited_together_with_its_hash_is_named(chain):
    rewrite(LENGTH, target_label="fraud")
    assert verify().broken.startswith(f"#{LENGTH} was replaced")


@pytest.mark.parametrize("number", range(1, LENGTH + 1))
def test_deleted_entry_is_named(chain, number):
    rows(number=number).delete()
    assert verify().broken == f"#{number} is missing"


def test_truncated_tail_is_named(chain):
    rows(number__gt=2).delete()
    assert verify().broken == "#3 is missing"


def test_emptied_log_is_named(chain):
    rows().delete()
    assert verify().broken == "#1 is missing"


def test_deleted_entry_with_a_closed_gap_is_named(chain):
    rows(number=2).delete()
    for number in range(3, LENGTH + 1):
        rows(number=number).update(number=number - 1)
    assert verify().broken == "#2 was changed"


def test_swapped_entries_are_named(chain):
    for old, new in ((2, 99), (3, 2), (99, 3)):
        rows(number=old).update(number=new)
    assert verify().broken == "#2 was changed"


def test_cut_beginning_with_numbers_made_to_fit_is_named(chain):
    rows(number=1).delete()
    for number in range(2, LENGTH + 1):
        rows(number=number).update(number=number - 1)
    rows(number=1).update(hash=digest(rows(number=1).get()))
    assert verify().broken == "#1 does not begin the chain"


def test_entry_put_in_front_is_named(chain):
    copy_of(1, number=0)
    assert verify().broken == "#0 was inserted"


def test_entry_put_behind_the_end_is_named(chain):
    copy_of(1, number=LENGTH + 1, previous_hash=chain[-1].hash)
    assert verify().broken == f"#{LENGTH + 1} was inserted after the end"


def test_entry_put_in_between_is_named(chain):
    for number in range(LENGTH, 2, -1):
        rows(number=number).update(number=number + 1)
    copy_of(2, number=3, previous_hash=chain[1].hash)
    assert verify().broken == "#4 was changed"


def test_row_beside_the_chain_is_named(chain):
    loose = copy_of(1, number=None)
    assert verify().broken == f"The row with id {loose.pk} was inserted outside the chain"


def test_event_hidden_from_its_organization_is_named(chain):
    rows(number=2).update(organization=None)
    assert verify().broken == "#2 was given to another organization"


def test_event_moved_to_another_organization_is_named(chain):
    rows(number=2).update(organization=make_org())
    assert verify().broken == "#2 was given to another organization"


@pytest.mark.parametrize("other", [None, "person"])
def test_event_blamed_on_someone_else_is_named(chain, other):
    rows(number=3).update(actor=other and make_user())
    assert verify().broken == "#3 was given to another person"


def test_moved_head_is_named(chain):
    AuditHead.objects.update(number=LENGTH - 1)
    assert verify().broken == f"#{LENGTH} was inserted after the end"


def test_log_written_anew_is_told_from_the_noted_one(chain):
    """Whoever recomputes every hash and the head fools the chain, but not a note kept elsewhere."""
    noted = Link(LENGTH, chain[-1].hash)
    rows(number=LENGTH).update(target_label="fraud")
    rewrite(LENGTH)
    AuditHead.objects.update(hash=rows(number=LENGTH).get().hash)
    assert not verify().broken
    assert verify(noted).broken == f"#{LENGTH} is not the entry that was noted"


def test_first_of_several_is_named(chain):
    rows(number=2).update(via="x")
    rows(number=4).delete()
    report = verify()
    assert (report.broken, report.end.number) == ("#2 was changed", 1)


def test_empty_log_holds(db):
    assert verify().end == Link(0, "")


def test_untouched_log_holds_and_is_noted(chain):
    report, head = verify(Link(2, chain[1].hash)), AuditHead.objects.get()
    assert (report.broken, report.end) == ("", Link(LENGTH, chain[-1].hash))
    assert (head.checked_number, head.broken, head.number) == (LENGTH, "", LENGTH)
    assert head.checked_at


def test_numbers_have_no_gaps_and_each_entry_names_the_one_before(chain):
    assert [event.number for event in chain] == [1, 2, 3, 4, 5]
    assert [event.previous_hash for event in chain] == ["", *(event.hash for event in chain[:-1])]


def test_a_change_that_is_undone_leaves_no_gap(chain, org):
    with pytest.raises(RuntimeError), transaction.atomic():
        AuditEvent.objects.record("organization.updated", org, organization=org)
        raise RuntimeError
    assert AuditEvent.objects.record("organization.updated", org, organization=org).number == LENGTH + 1
    assert not verify().broken


def test_deleting_people_and_organizations_breaks_nothing(chain, org, owner, superuser):
    key = org.pk
    delete_organization(organization=org, by=Actor(superuser))
    get_user_model().objects.filter(pk=owner.pk).delete()
    assert not rows(organization=key).exists() and not rows(actor=owner.pk).exists()
    assert set(rows(number__lte=LENGTH).values_list("organization_key", flat=True)) == {str(key)}
    assert set(rows(number__lte=LENGTH).values_list("actor_key", flat=True)) == {"", str(owner.pk)}
    assert not verify().broken


def test_lost_head_is_told_and_stops_no_one(chain, org):
    AuditHead.objects.all().delete()
    assert verify().broken == "The end of the chain was removed"
    assert AuditEvent.objects.record("organization.updated", org, organization=org).number == LENGTH + 1


def test_chunks_cover_everything_once(chain):
    found = [event.number for event in in_chunks(AuditEvent.objects.all(), size=2)]
    assert found == [1, 2, 3, 4, 5]


def test_asks_as_often_for_five_as_for_one(org):
    counts = []
    for more in (1, 4):
        for _ in range(more):
            AuditEvent.objects.record(
                "team.updated", make_team(org), by=Actor(make_member(org)), organization=org
            )
        with CaptureQueriesContext(connection) as asked:
            verify()
        counts.append(len(asked))
    assert counts[0] == counts[1] <= 8


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before=JSON, after=JSON, label=TEXT, ip=st.none() | st.ip_addresses().map(str))
def test_whatever_is_recorded_reads_back_with_the_same_hash(org, before, after, label, ip):
    team = make_team(org)
    team.label = label
    by = Actor(make_user(), Origin("page", ip, label))
    event = AuditEvent.objects.record(
        "team.updated", team, by=by, organization=org, before=before, after=after
    )
    stored = rows(pk=event.pk).get()
    assert digest(stored) == stored.hash == event.hash
    rows(pk=event.pk).update(after={**stored.after, "one more": 1})
    assert digest(rows(pk=event.pk).get()) != stored.hash


@pytest.mark.thorough
@pytest.mark.django_db(transaction=True)
def test_twenty_parallel_writers_never_fork_the_chain():
    org = make_org("Busy")
    people = [make_member(org) for _ in range(20)]

    def write(person):
        try:
            for turn in range(5):
                with transaction.atomic():
                    AuditEvent.objects.record(
                        "member.added", org, by=Actor(person), organization=org, after={"turn": turn}
                    )
        finally:
            connection.close()

    with ThreadPoolExecutor(20) as pool:
        list(pool.map(write, people))
    report = verify()
    assert (report.broken, report.end.number) == ("", 100)


@pytest.mark.thorough
@pytest.mark.django_db(transaction=True)
def test_changes_of_the_organization_do_not_wait_for_each_other_in_a_circle():
    """One holds the organization and then appends; the others append with a key to the organization."""
    org = make_org("Busy")

    def change(number):
        try:
            with transaction.atomic():
                if number % 2:
                    type(org).objects.select_for_update().get(pk=org.pk)
                AuditEvent.objects.record("organization.updated", org, organization=org)
        finally:
            connection.close()

    with ThreadPoolExecutor(10) as pool:
        list(pool.map(change, range(60)))
    assert verify().end.number == 60


@pytest.mark.thorough
@pytest.mark.django_db(transaction=True)
def test_invitations_and_changes_of_the_organization_do_not_wait_in_a_circle():
    org = make_org("Busy")
    admin = make_member(org, "admin")
    offer = Offer(org.roles.get(level="organization", slug="member"))

    def change(number):
        try:
            if number % 2:
                return update_organization(
                    organization=org, name="Busy", description=str(number), by=Actor(admin)
                )
            addresses = [f"person{number}-{each}@example.net" for each in range(4)]
            return invite(organization=org, addresses=addresses, offer=offer, by=Actor(admin))
        finally:
            connection.close()

    with ThreadPoolExecutor(10) as pool:
        list(pool.map(change, range(40)))
    assert (verify().broken, verify().end.number) == ("", 20 + 20 * 4)


def test_command_names_the_first_broken_entry_and_fails(chain):
    rows(number=2).delete()
    with pytest.raises(CommandError, match="#2 is missing") as caught:
        call_command("verify_audit", stdout=StringIO())
    assert caught.value.returncode == 1


@pytest.mark.parametrize("known", ["", "5", "x:y", "5:12"])
def test_command_refuses_a_note_it_cannot_read(chain, known):
    with pytest.raises(CommandError, match="takes number:hash") as caught:
        call_command("verify_audit", known=known or "-", stdout=StringIO())
    assert caught.value.returncode == 1


def test_command_prints_the_end_that_it_takes_back(chain):
    out = StringIO()
    call_command("verify_audit", stdout=out)
    first, note = out.getvalue().splitlines()
    assert first.startswith("5 entries are intact")
    call_command("verify_audit", known=note, stdout=StringIO())
