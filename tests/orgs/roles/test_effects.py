"""What a change does to people, compared with the slow reading of the same rule."""

from hypothesis import given, settings
from hypothesis import strategies as st

from orgs.roles.effects import (
    Consequence,
    Effect,
    Holding,
    State,
    compare,
    consequence,
    effective,
    rights_in_words,
)

PEOPLE, TEAMS, PLACES, ROLES = range(3), ("red", "blue"), ("p", "q"), ("one", "two", "three")
RIGHTS = ("model:read", "model:update", "secret:read", "tenant:view")
HOLDERS = [f"person {one}" for one in PEOPLE] + list(TEAMS)


def states():
    some_rights = st.frozensets(st.sampled_from(RIGHTS))
    some_people = st.frozensets(st.sampled_from(PEOPLE))
    holding = st.builds(Holding, *(st.sampled_from(values) for values in (PLACES, HOLDERS, ROLES)))
    return st.builds(
        lambda held, members, rights: State(held, {**members, **ALONE}, rights),
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


STATE = State(
    frozenset({Holding("prod", "team", "viewer"), Holding("prod", "ada", "admin")}),
    {"team": frozenset({1, 2, 3}), "ada": frozenset({3})},
    {
        "viewer": frozenset({"tenant:view", "model:read"}),
        "admin": frozenset({"tenant:view", "model:read", "model:update", "model:delete", "secret:update"}),
    },
)
NAMES, TENANTS = {1: "Grace", 2: "Hui", 3: "Ada"}, {"prod": "production"}


def told(after: State, touched=()) -> Consequence:
    return consequence(compare(STATE, after), "tenant", NAMES, TENANTS, touched)


def test_whoever_has_it_already_keeps_what_she_has():
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
    state = State(frozenset(), {"team": people}, STATE.rights)
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
