import pytest
from factories import make_team

from orgs.audit.models import AuditEvent
from orgs.audit.sentences import SENTENCES, tell, told


@pytest.fixture
def event(org, owner):
    def make(action, **fields):
        return AuditEvent.objects.record(action, make_team(org, "risk"), by=owner, organization=org, **fields)

    return make


def test_action_without_a_sentence_is_told_by_its_words(event):
    assert tell(event("team.painted_blue")) == "<b>Ada Okafor</b>: painted blue <b>risk</b>"


@pytest.mark.parametrize("action", SENTENCES)
def test_sentences_need_nothing_that_may_be_missing(event, action):
    text = tell(event(action))
    assert "risk" in text or "Ada Okafor" in text


def test_person_added(event):
    sentence = tell(event("team.member_added", after={"member": "Dana"}))
    assert sentence == "<b>Ada Okafor</b> added <b>Dana</b> to team <b>risk</b>"


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), ([], "–"), (["a", "b"], "a, b"), ({"x": True}, "x: yes"), (7, "7"), (0, "0")],
)
def test_values_are_words(event, value, text):
    (one,) = told([event("team.updated", after={"value": value})])
    assert one.changes[0].after == text


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
