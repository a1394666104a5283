import hashlib

import django_filters
from django import forms
from django.contrib.auth import get_user_model
from django.contrib.auth.password_validation import validate_password
from django.utils import timezone

from orgs.access.places import places
from orgs.permissions import Permission
from zenpro_site.common.mailboxes import is_address, split
from zenpro_site.common.names import NameField

from . import bulk
from .actions import Offer

MOST_ADDRESSES = 100
TENANT_FIELD = "tenant-"


class InviteForm(forms.Form):
    """Addresses and one offer for all of them. Choices are the organization's own and what the inviter may give."""

    addresses = forms.CharField(
        label="Email addresses",
        max_length=20_000,
        widget=forms.Textarea({"rows": 3, "placeholder": "grace@example.org, linus@example.org"}),
        error_messages={"required": "Enter at least one address."},
    )
    role = forms.ModelChoiceField(
        queryset=None, to_field_name="slug", label="Organization role", initial="member"
    )
    teams = forms.ModelMultipleChoiceField(
        queryset=None,
        to_field_name="uuid",
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )

    def __init__(self, *args, org, rights, **kwargs):
        super().__init__(*args, **kwargs)
        self.org, self.rights = org, rights
        self.roles = org.roles.within(rights)
        self.fields["role"].queryset = org.roles.filter(pk__in=[role.pk for role in self.roles])
        teams = org.teams.all() if Permission.TEAM_MANAGE in rights else org.teams.none()
        self.fields["teams"].queryset = teams
        self.places = places().offered(org, rights)
        self.tenant_roles = {role.slug: role for role in org.roles.tenant_level()} if self.places else {}
        self._add_tenant_fields()

    def _add_tenant_fields(self) -> None:
        choices = [("", "No access"), *((slug, role.name) for slug, role in self.tenant_roles.items())]
        for tenant in self.places:
            self.fields[f"{TENANT_FIELD}{tenant.pk}"] = forms.ChoiceField(
                choices=choices, required=False, label=tenant.name
            )

    def tenant_fields(self):
        """Bound fields of the tenants, for the template."""
        return [self[name] for name in self.fields if name.startswith(TENANT_FIELD)]

    def clean_addresses(self) -> list[str]:
        addresses = split(self.cleaned_data["addresses"])
        if len(addresses) > MOST_ADDRESSES:
            raise forms.ValidationError(
                f"At most {MOST_ADDRESSES} addresses at once; you entered {len(addresses)}."
            )
        if not any(map(is_address, addresses)):
            raise forms.ValidationError("Enter addresses such as grace@example.org.")
        return addresses

    def clean(self):
        strange = [name for name in self.data if name.startswith(TENANT_FIELD) and name not in self.fields]
        if strange:
            raise forms.ValidationError("You can't give access to one of these tenants.")
        return super().clean()

    def be_like(self, member, inviter) -> list[str]:
        """Choose what a member has directly, as far as the inviter may give it. Returns what is left out, in words."""
        return [*self._role_like(member), *self._teams_like(member), *self._tenants_like(member, inviter)]

    def _role_like(self, member):
        if any(role.slug == member.role for role in self.roles):
            self.initial["role"] = member.role
        else:
            yield "The organization role: it can do more than you."

    def _teams_like(self, member):
        teams, may_give = self.org.teams.filter(user=member.user_id), {role.slug for role in self.roles}
        offered = teams.filter(pk__in=self.fields["teams"].queryset)
        self.initial["teams"] = [team.uuid for team in offered if team.org_role in {"", *may_give}]
        for team in teams:
            if team.uuid not in self.initial["teams"]:
                yield f"Team {team}: {'it can do more than you' if team in offered else 'you can’t add people'}."

    def _tenants_like(self, member, inviter):
        """Roles on tenants that the inviter can't see are not mentioned."""
        for grant in places().roles_like(member, inviter, self.rights):
            name = f"{TENANT_FIELD}{grant.place.pk}"
            reason = self._why_not_grant(name, grant)
            if reason:
                yield f"{grant.role} on {grant.place}: {reason}."
            else:
                self.initial[name] = grant.role.slug

    def _why_not_grant(self, name: str, grant) -> str:
        if name not in self.fields:
            return "you can't assign roles on tenants"
        if grant.expires_at:
            return f"it expires on {grant.expires_at:%-d %b %Y}"
        return "only one role per tenant can be assigned here" if name in self.initial else ""

    @property
    def offer(self) -> Offer:
        """What the valid form promises."""
        chosen = [(tenant, self.cleaned_data[f"{TENANT_FIELD}{tenant.pk}"]) for tenant in self.places]
        return Offer(
            role=self.cleaned_data["role"],
            teams=self.cleaned_data["teams"],
            tenant_roles=[(tenant, self.tenant_roles[slug]) for tenant, slug in chosen if slug],
        )


class LikeForm(forms.Form):
    """Whose roles the new people should get."""

    like = forms.ModelChoiceField(queryset=None)

    def __init__(self, *args, org, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["like"].queryset = org.memberships.select_related("user")


class BulkForm(InviteForm):
    """A pasted list of `email, role, team; team`. What is chosen besides is for all lines, the role for those without one.

    `checked`: fingerprint of what was shown before, so that nothing is sent that was not shown.
    """

    checked = forms.CharField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["addresses"] = forms.CharField(
            label="List",
            max_length=100_000,
            widget=forms.Textarea({"rows": 8, "placeholder": "grace@example.org, Editor, risk-ml; forecast"}),
            error_messages={"required": "Paste at least one line."},
        )
        self.fields["role"].label = "Role for lines without one"

    def clean_addresses(self) -> list[bulk.PastedLine]:
        lines = bulk.read(self.cleaned_data["addresses"])
        if len(lines) > bulk.MOST_LINES:
            raise forms.ValidationError(
                f"At most {bulk.MOST_LINES} addresses at once; you pasted {len(lines)}."
            )
        if not lines:
            raise forms.ValidationError("Paste at least one line.")
        return lines

    def lines(self, inviter) -> list[bulk.PastedLine]:
        """The checked lines of the valid form."""
        choices = bulk.Choices(self.roles, list(self.fields["teams"].queryset), self.offer)
        return bulk.check(self.cleaned_data["addresses"], self.org, choices, inviter)

    @property
    def fingerprint(self) -> str:
        """The same for the same list and the same choices."""
        wishes = [(line.address, line.role, line.teams) for line in self.cleaned_data["addresses"]]
        offer = self.offer
        parts = [team.pk for team in offer.teams], [(t.pk.hex, r.slug) for t, r in offer.tenant_roles]
        return hashlib.sha256(repr((wishes, offer.role.slug, *parts)).encode()).hexdigest()


class NewAccountForm(forms.Form):
    """Name and password of a person who accepts an invitation and has no account yet."""

    name = NameField(label="Your name", max_length=150, widget=forms.TextInput({"autocomplete": "name"}))
    password = forms.CharField(
        strip=False, max_length=1024, widget=forms.PasswordInput({"autocomplete": "new-password"})
    )

    def __init__(self, *args, email: str, **kwargs):
        super().__init__(*args, **kwargs)
        self.email = email

    def clean_password(self) -> str:
        password = self.cleaned_data["password"]
        person = get_user_model()(email=self.email, name=self.cleaned_data.get("name", ""))
        validate_password(password, person)
        return password


class StretchForm(forms.Form):
    """The stretch of time a page asks about."""

    since = forms.DateTimeField()
    until = forms.DateTimeField()


class InvitationFilter(django_filters.FilterSet):
    """Search and state of the invitations list."""

    q = django_filters.CharFilter(field_name="email", lookup_expr="icontains")
    state = django_filters.ChoiceFilter(
        choices=[("invited", "Pending"), ("expired", "Expired"), ("delivery_failed", "Delivery failed")],
        method="in_state",
        empty_label="All states",
    )

    def in_state(self, invitations, name, value):
        if value == "expired":
            return invitations.filter(expires_at__lte=timezone.now())
        invitations = invitations.filter(expires_at__gt=timezone.now())
        if value == "delivery_failed":
            return invitations.filter(mail__state="failed")
        return invitations.exclude(mail__state="failed")
