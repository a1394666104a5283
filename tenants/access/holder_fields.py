"""Choosing a team or a person: from a list while it is short, by a search where an organization is large."""

from functools import cache

from django import forms

from orgs.members.listing import matching
from orgs.teams.models import Team
from zenpro_site.common.identifiers import uuid_or_none

LISTED = 200  # the most teams and people in a list; above that it becomes a search
SUGGESTED = 8


def holder_value(holder) -> str:
    """How forms and URLs name a holder: "team:<uuid>" or "person:<membership uuid>"."""
    return f"team:{holder.uuid}" if isinstance(holder, Team) else f"person:{holder.pk}"


def _people(org):
    return org.memberships.filter(user__is_active=True).select_related("user")


def _fit_in_a_list(org) -> bool:
    return org.memberships.count() + org.teams.count() <= LISTED


def holder_choices(org) -> list:
    """Teams and people of the organization as options of a list."""
    teams = [(holder_value(team), team.label) for team in org.teams.all()]
    people, robots = [], []
    for member in _people(org):
        is_robot = member.user.is_service_account
        label = str(member.user) if is_robot else f"{member.user} ({member.user.email})"
        (robots if is_robot else people).append((holder_value(member), label))
    groups = [("", "Choose…"), ("Teams", teams), ("People", people)]
    return [*groups, ("Service accounts", robots)] if robots else groups


def typed(request) -> str:
    """What was typed so far into the search of a form."""
    return next((value for name, value in request.GET.items() if name.endswith("holder")), "")


def suggestions(org, text: str) -> list[tuple[str, str]]:
    """(what to type, who it is) of the first teams and people whose name or email has every word of the text."""
    teams = org.teams.filter(label__icontains=text.strip())[:SUGGESTED]
    people = matching(_people(org), text).order_by("user__name", "user__email")[:SUGGESTED]
    found = [(team.label, "Team") for team in teams]
    return [*found, *((member.user.email, str(member.user)) for member in people)][:SUGGESTED]


class HolderField(forms.Field):
    """Cleans to a Team, a Membership or None.

    The list is read when it is shown, once. `search_at`: the page that answers what is typed with suggestions.
    """

    def __init__(self, *, org, search_at="", **kwargs):
        self.org, self.is_search = org, not _fit_in_a_list(org)
        listed = forms.Select(choices=cache(lambda: holder_choices(org)))
        super().__init__(widget=_search(search_at) if self.is_search else listed, **kwargs)

    def prepare_value(self, value):
        """A search names people by their email address, not by a key."""
        if not self.is_search or not _is_key(value):
            return value
        holder = self._by_key(value)
        if holder is None:
            return ""
        return holder.label if isinstance(holder, Team) else holder.user.email

    def clean(self, value):
        value = (super().clean(value) or "").strip()
        if not value:
            return None
        holder = self._by_key(value) if _is_key(value) else self._by_name(value)
        if holder is None:
            raise forms.ValidationError("No team or member has that name. Choose one from the list.")
        return holder

    def _by_key(self, value):
        kind, _, key = value.partition(":")
        key = uuid_or_none(key)
        if key is None:
            return None
        return (
            self.org.teams.filter(uuid=key) if kind == "team" else _people(self.org).filter(pk=key)
        ).first()

    def _by_name(self, value):
        """The team of this name, the person with this email, or the only one whose name has these words."""
        exact = (
            self.org.teams.filter(label=value).first()
            or _people(self.org).filter(user__email__iexact=value).first()
        )
        if exact:
            return exact
        found = [*self.org.teams.filter(label__iexact=value)[:2], *matching(_people(self.org), value)[:2]]
        if len(found) > 1:
            raise forms.ValidationError(
                "Several teams or members have that name. Choose one from the list, or enter an email address."
            )
        return found[0] if found else None


def _search(search_at: str) -> forms.TextInput:
    attrs = {
        "list": "holders",
        "placeholder": "Name or email",
        "autocomplete": "off",
        "spellcheck": "false",
    }
    attrs |= {"hx-get": search_at, "hx-target": "#holders", "hx-swap": "outerHTML"}
    attrs |= {"hx-trigger": "focus once, input changed delay:200ms", "hx-sync": "this:replace"}
    return forms.TextInput(attrs=attrs)


def _is_key(value) -> bool:
    return isinstance(value, str) and value.startswith(("team:", "person:"))
