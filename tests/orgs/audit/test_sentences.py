import pytest
from factories import make_team

from orgs.audit.models import AuditEvent
from orgs.audit.sentences import SENTENCES, tell, told
from orgs.users.models import Actor


@pytest.fixture
def event(org, owner):
    def make(action, **fields):
        team = org.teams.filter(label="risk").first() or make_team(org, "risk")
        return AuditEvent.objects.record(action, team, by=Actor(owner), organization=org, **fields)

    return make


def test_action_without_a_sentence_is_told_by_its_words(event):
    assert (
        tell(event("team.painted_blue"))
        == "<b><bdi>Ada Okafor</bdi></b>: painted blue <b><bdi>risk</bdi></b>"
    )


@pytest.mark.parametrize("action", SENTENCES)
def test_sentences_need_nothing_that_may_be_missing(event, action):
    text = tell(event(action))
    assert "risk" in text or "Ada Okafor" in text


def test_person_added(event):
    sentence = tell(event("team.member_added", after={"member": "Dana"}))
    assert (
        sentence == "<b><bdi>Ada Okafor</bdi></b> added <b><bdi>Dana</bdi></b> to team <b><bdi>risk</bdi></b>"
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), ([], "–"), (["a", "b"], "a, b"), ({"x": True}, "x: yes"), (7, "7"), (0, "0")],
)
def test_values_are_words(event, value, text):
    (one,) = told([event("team.updated", after={"value": value})])
    assert one.changes[0].after == text


@pytest.mark.parametrize(
    ("right", "words"), [("team:manage", "manage team"), ("manage_access", "manage access"), (None, "–")]
)
def test_refused_right_is_told_in_words(event, right, words):
    text = tell(event("access.refused", after={"right": right}))
    assert (
        text
        == f"<b><bdi>Ada Okafor</bdi></b> was refused: <b><bdi>{words}</bdi></b> in <b><bdi>risk</bdi></b>"
    )


def test_what_ends_by_itself_has_a_clock(event):
    told_events = told([event("grant.expired"), event("grant.given"), event("new.thing")])
    assert [one.icon for one in told_events] == ["clock", "shield-check", "history"]


def test_tenant_of_an_event_is_named(event):
    (one,) = told([event("team.updated", before={"tenant": "production"})])
    assert one.tenant == "production"


@pytest.mark.parametrize(
    ("action", "outcome", "tone"),
    [
        ("team.created", "done", "ok"),
        ("team.member_removed", "done", "off"),
        ("team.updated", "done", "run"),
        ("access.refused", "refused", "bad"),
    ],
)
def test_tone(event, action, outcome, tone):
    (one,) = told([event(action, outcome=outcome)])
    assert one.tone == tone
