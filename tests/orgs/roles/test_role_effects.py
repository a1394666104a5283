"""What a change does to people, compared with the slow reading of the same rule."""

from datetime import timedelta

from django.urls import reverse
from django.utils import timezone
from factories import make_grant, make_member, make_role, make_team, make_tenant
from hypothesis import given, settings
from hypothesis import strategies as st

from orgs.roles.consequences import of_editing
from orgs.roles.models import Role
from orgs.roles.role_effects import Consequence, consequence, rights_in_words
from orgs.roles.state import Effect, Holding, RolesState, compare, effective

PEOPLE, TEAMS, PLACES, ROLES = range(3), ("red", "blue"), ("p", "q"), ("one", "two", "three")
RIGHTS = ("model:read", "model:update", "secret:read", "tenant:view")
HOLDERS = [f"person {one}" for one in PEOPLE] + list(TEAMS)


def states():
    some_rights = st.frozensets(st.sampled_from(RIGHTS))
    some_people = st.frozensets(st.sampled_from(PEOPLE))
    holding = st.builds(Holding, *(st.sampled_from(values) for values in (PLACES, HOLDERS, ROLES)))
    return st.builds(
        lambda held, members, rights: RolesState(held, {**members, **ALONE}, rights),
        st.frozensets(holding, max_size=6),
        st.fixed_dictionaries({team: some_people for team in TEAMS}),
        st.fixed_dictionaries({role: some_rights for role in ROLES}),
    )


ALONE = {f"person {one}": frozenset([one]) for one in PEOPLE}


def may(state, person, place, right) -> bool:
    return any(
        where == place and person in state.people[holder] and right in state.rights[role]
        for where, holder, role in state.holdings
    )


def is_in(state, person, place) -> bool:
    return any(where == place and person in state.people[holder] for where, holder, _ in state.holdings)


@settings(max_examples=100, deadline=None, database=None)
@given(before=states(), after=states())
def test_effects_are_those_of_asking_everything_twice(before, after):
    found = {(effect.person, effect.place): effect for effect in compare(before, after)}
    for person in PEOPLE:
        for place in PLACES:
            had, has = ({r for r in RIGHTS if may(state, person, place, r)} for state in (before, after))
            assert ((person, place) in found) == (had != has)
            if had != has:
                assert found[person, place] == Effect(person, place, had, has)
    for state in (before, after):
        assert set(effective(state)) == {(p, w) for p in PEOPLE for w in PLACES if is_in(state, p, w)}


STATE = RolesState(
    frozenset({Holding("prod", "team", "viewer"), Holding("prod", "ada", "admin")}),
    {"team": frozenset({1, 2, 3}), "ada": frozenset({3})},
    {
        "viewer": frozenset({"tenant:view", "model:read"}),
        "admin": frozenset({"tenant:view", "model:read", "model:update", "model:delete", "secret:update"}),
    },
)
NAMES, TENANTS = {1: "Grace", 2: "Hui", 3: "Ada"}, {"prod": "production"}


def told(after: RolesState, touched=()) -> Consequence:
    return consequence(compare(STATE, after), "tenant", NAMES, TENANTS, touched)


def test_people_who_have_it_already_keep_what_they_have():
    found = told(STATE.with_roles("prod", "team", {"admin"}), {1, 2, 3})
    assert [(line.tone, line.words, line.who) for line in found.lines] == [
        ("ok", "2 people gain update and delete on production", "Grace and Hui")
    ]
    assert found.kept == 1


def test_losing_the_last_role_is_losing_access():
    found = told(STATE.with_roles("prod", "team", ()))
    assert [(line.tone, line.words) for line in found.lines] == [
        ("bad", "2 people lose all access to production")
    ]


def test_one_person_is_one_person():
    found = told(STATE.with_rights("admin", {"tenant:view", "model:read", "model:update"}))
    assert [line.words for line in found.lines] == [
        "1 person loses “Delete models” and “Update secrets” on production"
    ]


def test_gain_and_loss_at_once_are_two_lines():
    found = told(STATE.with_rights("viewer", {"tenant:view", "model:update"}))
    assert [line.tone for line in found.lines] == ["ok", "bad"]


def test_nothing_changes():
    assert told(STATE).none


def test_many_names_are_counted():
    people = frozenset(range(10))
    names = {one: f"P{one}" for one in people}
    state = RolesState(frozenset(), {"team": people}, STATE.rights)
    effects = compare(state, state.with_roles("prod", "team", {"viewer"}))
    [line] = consequence(effects, "tenant", names, {}).lines
    assert (line.words, line.who) == ("10 people get access to 1 tenant", "P0, P1, P2 and 7 more")


def test_kinds_of_rights_are_short():
    rights = {f"model:{a}" for a in ("read", "create", "update", "delete", "share", "promote")}
    assert rights_in_words(rights, "tenant") == "read, create, update and 3 more"
    assert rights_in_words({"tenant:delete", "tenant:change", "model:read"}, "tenant") == (
        "read, change settings and delete the tenant"
    )
    assert rights_in_words({"team:manage"}, "organization").startswith("“Create and change teams")


# -- on the page of a role, from the rows


def test_preview_of_a_role_says_who_gains_where(org, owner, member, as_user):
    role = make_role(org, base="viewer")
    tenant, other = make_tenant(org, "production"), make_tenant(org, "staging")
    make_grant(tenant, member, role.slug)
    make_grant(other, make_team(org, members=[member, make_member(org)]), role.slug)
    make_grant(other, owner, role.slug)
    make_grant(other, owner, "admin")
    path = reverse("roles:preview", args=[org.slug, role.pk])
    data = {"version": role.version, "right": sorted(role.rights | {"model:update"})}
    page = as_user(owner).post(path, data).content.decode()
    assert "2 people gain “Update models” on 2 tenants" in page
    assert "model:update" not in role.rights


def test_what_is_over_and_who_is_inactive_do_not_count(org, owner, as_user):
    role, tenant = make_role(org, base="viewer"), make_tenant(org)
    gone = make_member(org, is_active=False)
    make_grant(tenant, gone, role.slug)
    make_grant(tenant, make_member(org), role.slug, expires_at=timezone.now() - timedelta(minutes=1))
    make_grant(
        make_tenant(org, desired_state="deleted", deleted_at=timezone.now()), make_member(org), role.slug
    )
    assert of_editing(role, role.rights | {"model:update"}, sees_people=True, sees_tenants=True).none


def test_organization_roles_count_those_of_teams(org, owner):
    role = make_role(org, "Inviter", level="organization", rights={"invitation:manage"})
    first, second, editor = make_member(org, "inviter"), make_member(org), make_member(org, "editor")
    make_team(org, members=[first, second, owner, editor], org_role="inviter")
    found = of_editing(role, role.rights | {"team:manage"}, sees_people=True, sees_tenants=True)
    [line] = found.lines  # the Admin and the Editor manage teams already
    assert line.words == "2 people gain “Create and change teams, add and remove their members”"


def test_names_are_for_those_who_may_read_them(org, member):
    role, tenant = make_role(org, base="viewer"), make_tenant(org, "production")
    make_grant(tenant, member, role.slug)
    rights = role.rights | {"model:update"}
    [line] = of_editing(role, rights, sees_people=False, sees_tenants=False).lines
    assert (line.words, line.who) == ("1 person gains “Update models” on 1 tenant", "")


def test_same_queries_for_any_number_of_holders(org, django_assert_max_num_queries):
    role = make_role(org, base="viewer")
    for _ in range(3):
        tenant = make_tenant(org)
        for _ in range(3):
            make_grant(tenant, make_member(org), role.slug)
    role = Role.objects.prefetch_related("permissions").get(pk=role.pk)
    with django_assert_max_num_queries(6):
        found = of_editing(role, role.rights | {"model:update"}, sees_people=True, sees_tenants=True)
    assert found.lines[0].words == "9 people gain “Update models” on 3 tenants"
