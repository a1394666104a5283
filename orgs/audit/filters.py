from django import forms
from django.db.models import Q
from django_filters import CharFilter, ChoiceFilter, FilterSet

from orgs.models import Organization

from .models import AuditEvent
from .sentences import words_of

SYSTEM = "system"


class EventFilter(FilterSet):
    """What the audit page filters by; all of it is in the address."""

    q = CharFilter(method="search")
    actor = ChoiceFilter(method="by_actor", empty_label="Anybody")
    action = ChoiceFilter(empty_label="Any action")
    outcome = ChoiceFilter(choices=[("done", "Done"), ("refused", "Refused")], empty_label="Done or refused")

    class Meta:
        model = AuditEvent
        fields = ["q", "actor", "action", "outcome"]

    def __init__(self, data, *, organization: Organization):
        super().__init__(data, queryset=organization.audit_events.all())
        events = organization.audit_events.order_by()
        actors = events.exclude(actor=None).values_list("actor", "actor__name", "actor__email").distinct()
        people = sorted((name or email, str(pk)) for pk, name, email in actors)
        actions = sorted(
            (words_of(action), action) for action in events.values_list("action", flat=True).distinct()
        )
        self.filters["actor"].extra["choices"] = [(pk, name) for name, pk in people] + [
            (SYSTEM, "ZenPro itself")
        ]
        self.filters["action"].extra["choices"] = [(action, words) for words, action in actions]
        labels = {"q": "Search", "actor": "Who", "action": "Action", "outcome": "Outcome"}
        for name, label in labels.items():
            self.form.fields[name].widget.attrs["aria-label"] = label
        self.form.fields["q"].widget = forms.TextInput()

    def found(self):
        """Events that match; none when a value of the address makes no sense."""
        return self.qs if self.form.is_valid() else self.queryset.none()

    def search(self, events, name, value):
        """By part of a person's or an object's name, or by request id."""
        named = Q(actor_label__icontains=value) | Q(target_label__icontains=value)
        return events.filter(named | Q(request_id=value))

    def by_actor(self, events, name, value):
        return events.filter(actor=None if value == SYSTEM else value)
