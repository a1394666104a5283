import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from factories import (
    make_grant,
    make_member,
    make_org,
    make_team,
    make_template,
    make_template_run,
    make_tenant,
    tenant_role,
)

from orgs.audit.models import AuditEvent
from orgs.invitations import actions as invitations
from orgs.mails.models import Mail
from orgs.models import Membership, Organization
from orgs.users.models import Actor
from zenpro_site.common import refusals

ROWS = {"HX-Request": "true", "HX-Target": "rows"}
NOW = {"HX-Request": "true", "HX-Target": "now"}


def url(name, org, *args):
    return reverse(f"orgs:{name}", args=[org.slug, *args])


def done():
    return list(AuditEvent.objects.filter(outcome="done").order_by("id").values_list("action", flat=True))


def text(response):
    return response.content.decode()


# Refusals


@pytest.mark.parametrize("role", ["editor", "viewer", "member"])
def test_only_admins_change_members_and_settings(as_user, org, owner, role):
    person, target = make_member(org, role), make_member(org, "viewer")
    client = as_user(person)
    pk = target.membership.pk
    assert client.post(url("member_role", org, pk), {"role": "admin"}).status_code == 403
    assert client.post(url("member_remove", org, pk)).status_code == 403
    assert client.post(url("settings", org), {"name": "Mine"}).status_code == 403
    assert client.post(url("delete", org), {"name": org.name}).status_code == 403
    assert Membership.objects.get(pk=pk).role == "viewer"
    assert Organization.objects.get(pk=org.pk).name == "Acme AI"
    assert done() == []


def test_no_one_can_promote_themselves(as_user, org, owner, editor):
    client = as_user(editor)
    assert client.post(url("member_role", org, editor.membership.pk), {"role": "admin"}).status_code == 403
    assert Membership.objects.get(pk=editor.membership.pk).role == "editor"


def test_a_member_sees_no_members(as_user, org, owner, member):
    client = as_user(member)
    assert client.get(url("members", org)).status_code == 403
    assert client.get(url("member_detail", org, owner.membership.pk)).status_code == 403
    home = text(client.get(org.get_absolute_url()))
    assert f'"{url("members", org)}"' not in home
    assert reverse("invitations:create", args=[org.slug]) not in home


def test_outsiders_get_404_and_anonymous_the_sign_in(client, org, owner, outsider):
    pages = [
        org.get_absolute_url(),
        url("members", org),
        url("settings", org),
        url("leave", org),
        url("delete", org),
    ]
    assert all(reverse("account_login") in client.get(page).url for page in pages)
    client.force_login(outsider)
    assert {client.get(page).status_code for page in pages} == {404}
    assert client.post(url("leave", org)).status_code == 404


def test_a_member_of_another_organization_is_404(as_user, org, owner, outsider):
    client, pk = as_user(owner), outsider.membership.pk
    assert client.get(url("member_detail", org, pk)).status_code == 404
    assert client.post(url("member_role", org, pk), {"role": "viewer"}).status_code == 404
    assert client.post(url("member_remove", org, pk)).status_code == 404
    assert Membership.objects.get(pk=pk).role == "admin"


def test_a_role_the_organization_lacks_changes_nothing(as_user, org, owner, member):
    make_org("Other").roles.create(level="organization", slug="elsewhere", name="Elsewhere")
    client = as_user(owner)
    for role in ("elsewhere", "developer", ""):
        response = client.post(url("member_role", org, member.membership.pk), {"role": role})
        assert response.status_code == 422
    assert Membership.objects.get(pk=member.membership.pk).role == "member"
    assert done() == []


@pytest.mark.parametrize(("headers", "status"), [({}, 409), (ROWS, 422)])
def test_the_last_admin_stays_and_the_page_says_why(as_user, org, owner, superuser, headers, status):
    client = as_user(superuser)
    address = url("member_role", org, owner.membership.pk)
    response = client.post(address, {"role": "viewer"}, headers=headers)
    assert response.status_code == status
    assert "An organization needs an Admin" in text(response)
    response = client.post(url("member_remove", org, owner.membership.pk))
    assert response.status_code == 409
    assert org.memberships.active_admins().count() == 1
    assert done() == []


def test_the_last_admin_cannot_leave(as_user, org, owner):
    response = as_user(owner).post(url("leave", org))
    assert response.status_code == 409
    assert "needs an Admin" in text(response)
    assert org.memberships.filter(user=owner).exists()


def test_a_superuser_who_is_no_member_cannot_leave(as_user, org, owner, superuser):
    people = set(org.memberships.values_list("user", flat=True))
    assert as_user(superuser).post(url("leave", org)).status_code == 409
    assert set(org.memberships.values_list("user", flat=True)) == people


@pytest.mark.parametrize("typed", ["", "acme ai", "Acme"])
def test_delete_needs_the_exact_name(as_user, org, owner, typed):
    response = as_user(owner).post(url("delete", org), {"name": typed})
    assert response.status_code == 422
    assert Organization.objects.filter(pk=org.pk).exists()


def test_delete_is_refused_while_a_tenant_is_left(as_user, org, owner):
    make_tenant(org, "production")
    client = as_user(owner)
    assert "production" in text(client.get(url("delete", org)))
    assert client.post(url("delete", org), {"name": "Acme AI"}).status_code == 409
    assert Organization.objects.filter(pk=org.pk).exists()


def test_only_superusers_create_organizations(client, owner):
    data = {"name": "Second", "slug": "second"}
    assert reverse("account_login") in client.post(reverse("orgs:create"), data).url
    client.force_login(owner)
    assert client.get(reverse("orgs:create")).status_code == 403
    assert client.post(reverse("orgs:create"), data).status_code == 403
    assert Organization.objects.count() == 1


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"slug": "acme-ai"}, "slug"),
        ({"slug": "new"}, "slug"),
        ({"slug": "A b"}, "slug"),
        ({"name": ""}, "name"),
    ],
)
def test_create_puts_errors_at_the_field(as_user, org, superuser, changes, field):
    data = {"name": "Second", "slug": "second", **changes}
    response = as_user(superuser).post(reverse("orgs:create"), data)
    assert response.status_code == 422
    assert list(response.context["form"].errors) == [field]
    assert f'id="id_{field}_error"' in text(response)
    assert Organization.objects.count() == 1


def test_a_slug_taken_meanwhile_is_an_error_at_the_field(as_user, superuser, monkeypatch):
    def fail(**kwargs):
        raise refusals.Refused("“second” is taken.")

    monkeypatch.setattr("orgs.organizations.actions.create_organization", fail)
    response = as_user(superuser).post(reverse("orgs:create"), {"name": "Second", "slug": "second"})
    assert response.status_code == 422
    assert response.context["form"].errors["slug"] == ["“second” is taken."]


# Create, settings, delete


def test_create(as_user, superuser):
    response = as_user(superuser).post(reverse("orgs:create"), {"name": "Acme  AI", "slug": "acme"})
    made = Organization.objects.get()
    assert (made.name, response.url) == ("Acme AI", made.get_absolute_url())
    assert made.memberships.get().user == superuser
    assert done() == ["organization.created"]
    assert AuditEvent.objects.get().via == "page"


@pytest.mark.parametrize(
    ("slug", "words"),
    [
        ("acme-ai", "“acme-ai-2” is free"),
        ("fresh", "“fresh” is free"),
        ("No!", "Enter"),
        ("-a", "lower-case"),
    ],
)
def test_the_slug_is_checked_while_it_is_typed(as_user, org, superuser, slug, words):
    headers = {"HX-Request": "true", "HX-Target": "slug-state"}
    response = as_user(superuser).get(reverse("orgs:create"), {"slug": slug}, headers=headers)
    assert words in text(response)
    assert "<html" not in text(response)


def test_settings_rename(as_user, org, owner):
    response = as_user(owner).post(url("settings", org), {"name": "Acme", "description": "Models"})
    assert response.url == url("settings", org)
    org.refresh_from_db()
    assert (org.name, org.description) == ("Acme", "Models")
    assert done() == ["organization.updated"]


def test_settings_keep_the_name_in_the_frame_when_it_is_wrong(as_user, org, owner):
    response = as_user(owner).post(url("settings", org), {"name": ""})
    assert response.status_code == 422
    assert "Settings · Acme AI" in text(response)


def test_delete(as_user, org, owner):
    response = as_user(owner).post(url("delete", org), {"name": "Acme AI"})
    assert response.url == reverse("home")
    assert not Organization.objects.exists()
    assert done() == ["organization.deleted"]


# Members


def test_change_a_role_in_place_offers_undo(as_user, org, owner, member):
    client, address = as_user(owner), url("member_role", org, member.membership.pk)
    response = client.post(address, {"role": "editor"}, headers=ROWS)
    page = text(response)
    assert "<html" not in page and "Dana Petrova is now Editor" in page and "Undo" in page
    assert f'action="{address}"' in page and 'name="role" value="member"' in page
    assert client.post(address, {"role": "member", "on": ""}).url == url("members", org)
    assert Membership.objects.get(pk=member.membership.pk).role == "member"
    assert done() == ["member.role_changed"] * 2


def test_the_rows_keep_their_filter_after_a_change(as_user, org, owner, member, viewer):
    address = url("member_role", org, member.membership.pk) + "?q=dana"
    page = text(as_user(owner).post(address, {"role": "editor"}, headers=ROWS))
    assert "dana" in page.lower() and "Chen Wei" not in page


def test_change_a_role_on_the_persons_page(as_user, org, owner, member):
    client, address = as_user(owner), url("member_role", org, member.membership.pk)
    assert (
        client.post(address, {"role": "viewer", "on": "person"}).url == member.membership.get_absolute_url()
    )
    response = client.post(address, {"role": "nonsense", "on": "person"})
    assert response.status_code == 422
    assert "no such role" in text(response)


def test_remove(as_user, org, owner, member):
    team = make_team(org, "risk-ml", members=[member])
    make_grant(make_tenant(org, "production"), member, "operator")
    client, address = as_user(owner), url("member_remove", org, member.membership.pk)
    page = text(client.get(address, headers={"HX-Request": "true", "HX-Target": "modal"}))
    assert "<html" not in page and "risk-ml" in page and "Operator on production" in page
    assert org.memberships.filter(user=member).exists()
    assert client.post(address).url == url("members", org)
    assert not org.memberships.filter(user=member).exists()
    assert not team.user_set.exists()
    assert done() == ["member.removed"]


def test_leave(as_user, org, owner, member):
    client = as_user(member)
    assert "Leave Acme AI?" in text(client.get(url("leave", org)))
    assert org.memberships.filter(user=member).exists()
    assert client.post(url("leave", org)).url == reverse("home")
    assert not org.memberships.filter(user=member).exists()
    assert client.get(org.get_absolute_url()).status_code == 404
    assert done() == ["member.left"]


def names(response):
    return [row.membership.user.name for row in response.context["rows"]]


def test_search_role_and_team_filter_the_list(as_user, org, owner, editor, viewer, member, outsider):
    team = make_team(org, members=[viewer, member])
    client, address = as_user(owner), url("members", org)
    assert names(client.get(address)) == ["Ada Okafor", "Bruno Keller", "Chen Wei", "Dana Petrova"]
    assert names(client.get(address, {"q": "BRU"})) == ["Bruno Keller"]
    assert names(client.get(address, {"q": "petrova dana"})) == ["Dana Petrova"]
    assert names(client.get(address, {"q": member.email})) == ["Dana Petrova"]
    assert names(client.get(address, {"role": "viewer"})) == ["Chen Wei"]
    assert names(client.get(address, {"team": team.uuid, "role": "member"})) == ["Dana Petrova"]
    assert names(client.get(address, {"team": make_team(outsider.membership.organization).uuid})) == []
    page = text(client.get(address, {"q": "nobody"}))
    assert "No member matches" in page and "Clear filters" in page


def test_own_row_and_last_admin_say_why_they_are_locked(as_user, org, owner, member):
    client = as_user(owner)
    page = text(client.get(url("members", org)))
    assert "The only Admin" in page
    assert url("member_remove", org, owner.membership.pk) not in page
    make_member(org, "admin", name="Zoe Second")
    page = text(client.get(url("members", org)))
    assert "The only Admin" not in page and "Your own role" in page
    assert url("member_role", org, owner.membership.pk) not in page


def test_a_stronger_member_is_locked_for_a_custom_role(as_user, org, owner, editor, member):
    make_member(org, "admin")
    helper = org.roles.create(level="organization", slug="helper", name="Helper")
    helper.set_rights(["organization:view", "member:view", "member:manage"])
    response = as_user(make_member(org, "helper")).get(url("members", org))
    rows = {row.membership.user: row for row in response.context["rows"]}
    assert [rows[person].locked for person in (owner, editor, member)] == ["Can do more than you"] * 2 + [""]
    assert [role.slug for role in rows[member].choices] == ["member", "helper"]


def test_a_viewer_reads_roles_without_controls(as_user, org, owner, viewer, member):
    page = text(as_user(viewer).get(url("members", org)))
    assert "Dana Petrova" in page and "member_role" not in page
    assert url("member_role", org, member.membership.pk) not in page
    assert url("member_remove", org, member.membership.pk) not in page


def test_teams_and_tenants_of_each_person(as_user, org, owner, member):
    first, second = make_tenant(org), make_tenant(org)
    make_tenant(org, desired_state="deleted", deleted_at=timezone.now())
    team = make_team(org, "risk-ml", members=[member])
    make_team(make_org(), "elsewhere", members=[member])
    make_grant(first, member, "viewer")
    make_grant(first, team, "developer")
    make_grant(second, team, "developer", expires_at=timezone.now())
    rows = {row.membership.user: row for row in as_user(owner).get(url("members", org)).context["rows"]}
    assert ([str(team) for team in rows[member].teams], rows[member].tenants) == (["risk-ml"], "1 of 2")
    assert (rows[owner].teams, rows[owner].tenants) == ([], "All 2")


def test_viewers_learn_nothing_of_tenants_of_others(as_user, org, owner, viewer, member):
    secret, shared = make_tenant(org, "secret"), make_tenant(org, "shared")
    for tenant in (secret, shared):
        make_grant(tenant, member, "operator")
    make_grant(shared, viewer, "viewer")
    client = as_user(viewer)
    rows = {row.membership.user: row for row in client.get(url("members", org)).context["rows"]}
    assert rows[member].tenants == "1 of 1"
    for page in (member.membership.get_absolute_url(), org.get_absolute_url()):
        assert "shared" in text(client.get(page)) and "secret" not in text(client.get(page))


def test_the_persons_page_says_where_a_role_comes_from(as_user, org, owner, member):
    tenant, team = make_tenant(org, "production"), make_team(org, "risk-ml", members=[member])
    make_grant(tenant, member, "viewer", giver=owner)
    make_grant(tenant, team, "developer")
    client = as_user(owner)
    client.post(url("member_role", org, member.membership.pk), {"role": "viewer"})
    response = client.get(member.membership.get_absolute_url())
    [entry] = response.context["tenant_roles"]
    assert [(held.role, str(held.team)) for held in entry.held] == [
        ("Developer", "risk-ml"),
        ("Viewer", "None"),
    ]
    page = text(response)
    assert "by Ada Okafor" in page
    assert "<b><bdi>Ada Okafor</bdi></b> changed the role of <b><bdi>Dana Petrova</bdi></b>" in page


def test_only_who_sees_the_audit_log_sees_activity(as_user, org, owner, viewer, member):
    page = text(as_user(viewer).get(member.membership.get_absolute_url()))
    assert "Recent activity" not in page


def queries_of(client, address) -> int:
    client.get(address)
    with CaptureQueriesContext(connection) as queries:
        assert client.get(address).status_code == 200
    return len(queries)


# Home


def test_home_of_an_organization_without_tenants_says_what_is_next(as_user, org, owner, member):
    page = text(as_user(owner).get(org.get_absolute_url()))
    assert "Create the first tenant" in page and "Needs attention" not in page
    page = text(as_user(member).get(org.get_absolute_url()))
    assert "have access to a tenant yet" in page and "Create the first tenant" not in page
    assert owner.email in page


def test_home_needs_attention(as_user, org, owner):
    make_tenant(org, "broken", status="failed", state_reason="Port 9104 is taken.")
    tenant = make_tenant(org, "production")
    make_grant(tenant, owner, "admin")
    template = make_template(tenant, "nightly")
    for state in ("completed", "failed", "failed"):
        make_template_run(template, person=owner, state=state, state_reason="file not found")
    offer = invitations.Offer(org.roles.get(level="organization", slug="member"))
    invitations.invite(
        organization=org, addresses=["a@example.org", "b@example.org"], offer=offer, by=Actor(owner)
    )
    lost = Mail.objects.create(organization=org, to="a@example.org", state="failed", error="550 nobody")
    org.invitations.filter(email="a@example.org").update(mail=lost)
    org.invitations.filter(email="b@example.org").update(expires_at=timezone.now())
    response = as_user(owner).get(org.get_absolute_url())
    assert [need.title for need in response.context["needs"]] == [
        "broken is not running",
        "nightly failed 2 times in a row",
        "a@example.org didn't get the email",
        "An invitation has expired",
    ]
    assert "Port 9104 is taken." in text(response)


def test_home_needs_of_invitations_are_for_those_who_invite(as_user, org, owner, viewer):
    offer = invitations.Offer(org.roles.get(level="organization", slug="member"))
    invitations.invite(organization=org, addresses=["a@example.org"], offer=offer, by=Actor(owner))
    org.invitations.update(expires_at=timezone.now())
    page = text(as_user(viewer).get(org.get_absolute_url()))
    assert "a@example.org" not in page and "has expired" not in page


def test_home_shows_runs_only_where_the_person_sees_templates(as_user, org, owner, member):
    mine, other = make_tenant(org, "mine"), make_tenant(org, "other")
    make_grant(mine, member, "operator")
    make_template_run(make_template(mine, "churn"), person=member, state="running")
    make_template_run(make_template(mine, "drift"), person=owner, state="failed")
    make_template_run(make_template(other, "hidden"), person=owner)
    client = as_user(member)
    runs = {
        shown: [run.name for run in client.get(org.get_absolute_url(), {"runs": shown}).context["runs"]]
        for shown in ("", "mine", "failed")
    }
    assert runs == {
        "": ["drift re-run 1", "churn re-run 1"],
        "mine": ["churn re-run 1"],
        "failed": ["drift re-run 1"],
    }
    assert "hidden #" not in text(client.get(org.get_absolute_url()))
    assert client.get(org.get_absolute_url()).context["tenants"][0][1].name == "drift re-run 1"


def test_home_polls_one_fragment_and_answers_only_changes(as_user, org, owner, monkeypatch):
    moment = timezone.now()
    monkeypatch.setattr("zenpro_site.pages.home.timezone.now", lambda: moment)
    tenant = make_tenant(org, "production", status="pending")
    client = as_user(owner)
    seen = client.get(org.get_absolute_url()).context["seen"]
    assert client.get(org.get_absolute_url(), {"seen": seen}, headers=NOW).status_code == 204
    tenant.progress = [{"state": "done"}, {"state": "running"}, {"state": "waiting"}]
    tenant.save()
    response = client.get(org.get_absolute_url(), {"seen": seen}, headers=NOW)
    assert "step 2 of 3" in text(response)
    tenant.status = "available"
    tenant.save()
    response = client.get(org.get_absolute_url(), {"seen": seen}, headers=NOW)
    assert response.status_code == 200
    assert 'id="now"' in text(response) and "<html" not in text(response)


def test_home_needs_as_many_queries_for_three_as_for_one(as_user, org, owner):
    client, counts = as_user(owner), []
    for _ in range(3):
        tenant = make_tenant(org)
        make_grant(tenant, owner, "admin")
        make_template_run(make_template(tenant), person=owner)
        counts.append(queries_of(client, org.get_absolute_url()))
    assert counts == [counts[0]] * 3
    assert counts[0] <= 22


def test_home_of_a_superuser_who_is_no_member(as_user, org, superuser):
    tenant = make_tenant(org, "production")
    make_template_run(make_template(tenant, "churn"))
    page = text(as_user(superuser).get(org.get_absolute_url()))
    assert "Administrator of this installation" in page and "churn re-run 1" in page
    assert tenant_role(org, "admin").name == "Admin"
