from datetime import date, datetime, time, timedelta
from itertools import groupby

from django import forms
from django.contrib.auth import get_user_model
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db.models import F, Q
from django.utils.timezone import make_aware
from django_filters import CharFilter, ChoiceFilter, DateFilter, FilterSet

from orgs.models import Organization

from .models import AuditEvent
from .sentences import SENTENCES, words_of
from .verify import UUID

SYSTEM = "system"
PEOPLE = 100
# Any day within these can be moved into every time zone.
DAYS = [MinValueValidator(date(1970, 1, 1)), MaxValueValidator(date(9000, 1, 1))]
# Kinds of objects by other words than their model's name.
KINDS = {
    "devicelogin": "Computer",
    "membership": "Member",
    "runtemplate": "Template",
    "templaterun": "Template run",
    "user": "Account",
}
LABELS = {
    "q": "Search",
    "actor": "Who",
    "action": "Action",
    "target": "Target",
    "outcome": "Outcome",
    "since": "From day",
    "until": "To day",
}
DAY = {"type": "date"}


class EventFilter(FilterSet):
    """What the audit page filters by; all of it is in the address.

    `object` is one object, "team:<id>"; `since` and `until` are days, both included.
    """

    q = CharFilter(method="search", max_length=200)
    actor = ChoiceFilter(method="by_actor", empty_label="Anyone")
    action = ChoiceFilter(empty_label="Any action")
    target = ChoiceFilter(field_name="target_type", empty_label="Any target")
    object = CharFilter(method="by_object", max_length=130, widget=forms.HiddenInput)
    outcome = ChoiceFilter(choices=[("done", "Done"), ("refused", "Refused")], empty_label="Done or refused")
    since = DateFilter(method="from_day", widget=forms.DateInput(DAY, "%Y-%m-%d"), validators=DAYS)
    until = DateFilter(method="to_day", widget=forms.DateInput(DAY, "%Y-%m-%d"), validators=DAYS)

    class Meta:
        model = AuditEvent
        fields = ["q", "actor", "action", "target", "object", "outcome", "since", "until"]

    def __init__(self, data, *, organization: Organization):
        super().__init__(data, queryset=organization.audit_events.all())
        events = organization.audit_events.order_by()
        self.filters["actor"].extra["choices"] = _people(events, self.data.get("actor", ""))
        self.filters["action"].extra["choices"] = _actions()
        self.filters["target"].extra["choices"] = _kinds(events)
        for name, label in LABELS.items():
            self.form.fields[name].widget.attrs["aria-label"] = label
        self.form.fields["q"].widget = forms.TextInput()

    @property
    def chosen(self) -> dict[str, str]:
        """Filters of the address that are not empty, as they stand there."""
        return {name: self.data[name][:200] for name in self.filters if self.data.get(name)}

    def found(self):
        """Events that match; none when a value of the address makes no sense."""
        return self.qs if self.form.is_valid() else self.queryset.none()

    def search(self, events, name, value):
        """By part of a person's or an object's name, or by request id."""
        named = Q(actor_label__icontains=value) | Q(target_label__icontains=value)
        return events.filter(named | Q(request_id=value))

    def by_actor(self, events, name, value):
        return events.filter(actor_key="") if value == SYSTEM else events.filter(actor=value)

    def by_object(self, events, name, value):
        kind, _, key = value.partition(":")
        return events.filter(target_type=kind, target_id=key)

    def from_day(self, events, name, value):
        return events.filter(at__gte=_midnight(value))

    def to_day(self, events, name, value):
        return events.filter(at__lt=_midnight(value + timedelta(days=1)))


def _midnight(day) -> datetime:
    """Where the day begins in our time zone."""
    return make_aware(datetime.combine(day, time.min))


def _people(events, chosen: str) -> list[tuple[str, str]]:
    """Who did something: those who were here last, as many as a list can hold, and the chosen one."""
    acted = get_user_model().objects.filter(pk__in=events.exclude(actor=None).values("actor"))
    latest = acted.order_by(F("last_active_at").desc(nulls_last=True), "pk")[:PEOPLE]
    found = {str(pk): name or email for pk, name, email in latest.values_list("pk", "name", "email")}
    if UUID.fullmatch(chosen) and chosen not in found:
        found |= {str(person.pk): str(person) for person in acted.filter(pk=chosen)}
    return [(SYSTEM, "ZenPro itself"), *sorted(found.items(), key=lambda pair: pair[1])]


def _actions() -> list[tuple[str, list]]:
    """All actions there are, in groups by what they are about."""
    nouns = groupby(sorted(SENTENCES), key=lambda action: action.partition(".")[0])
    return [(words_of(noun), [(action, words_of(action)) for action in group]) for noun, group in nouns]


def _kinds(events) -> list[tuple[str, str]]:
    kinds = events.values_list("target_type", flat=True).distinct()
    return sorted(((kind, KINDS.get(kind, kind.capitalize())) for kind in kinds), key=lambda pair: pair[1])
