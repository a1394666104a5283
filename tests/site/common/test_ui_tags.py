"""Tags and filters of the look, and that templates name only icons the sprite has."""

import re
from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.conf import settings
from django.contrib.messages import constants
from django.contrib.messages.storage.base import Message
from django.template import Context, Template
from django.utils import timezone

from zenpro_site.common import ui

ADA = SimpleNamespace(name="Ada Okafor", email="ada@acme.ai", initials="AO", hue=3)
TEAM = SimpleNamespace(label="risk-ml", name="acme/risk-ml")


def draw(source, **context):
    return Template(source).render(Context(context))


def test_icon_is_decoration_from_the_sprite():
    assert draw('{% icon "users" "lg" %}') == (
        '<svg class="icon lg" aria-hidden="true"><use href="/static/icons.svg#users"/></svg>'
    )


def test_icon_inside_a_drawing_takes_a_place():
    assert ' x="10" width="16"' in draw('{% icon "check" x=10 width=16 %}')


def test_icon_name_is_escaped():
    assert '"><b>' not in draw("{% icon name %}", name='"><b>')


def test_templates_name_icons_that_exist():
    sprite = (settings.BASE_DIR / "static/icons.svg").read_text()
    there = set(re.findall(r'<symbol id="([\w-]+)"', sprite))
    paths = sorted(settings.BASE_DIR.glob("templates/**/*.html"))
    wanted = {path.name: set(re.findall(r'{% icon "([\w-]+)"', path.read_text())) for path in paths}
    missing = {name: icons - there for name, icons in wanted.items() if icons - there}
    assert any(wanted.values()) and not missing, missing


def test_every_icon_of_a_state_exists():
    sprite = (settings.BASE_DIR / "static/icons.svg").read_text()
    names = {name for _, name, _ in [*ui.STATES.values(), ui.UNKNOWN]}
    assert all(f'id="{name}"' in sprite for name in names)


@pytest.mark.parametrize(
    ("state", "tone", "word"),
    [
        ("available", "ok", "Available"),
        ("failed", "bad", "Failed"),
        ("running", "run", "Running"),
        ("pending", "warn", "In progress"),
        ("not_initialized", "warn", "Not started"),
        ("half_way", "off", "Half way"),
        (None, "off", "Unknown"),
    ],
)
def test_state_has_a_tone_and_a_word(state, tone, word):
    pill = draw("{% status_pill state %}", state=state)
    assert f'class="pill t-{tone}"' in pill
    assert pill.endswith(f"{word}</span>")
    assert draw("{{ state|tone }} {{ state|state_word }}", state=state) == f"{tone} {word}"


def test_pill_with_a_word_of_its_own():
    assert draw('{% status_pill "running" "Step 5 of 8" %}').endswith("Step 5 of 8</span>")


def test_state_without_visible_word_keeps_it_for_screen_readers():
    assert '<span class="sr">Failed</span>' in draw('{% status_icon "failed" %}')
    assert '<span class="sr">Failed</span>' in draw('{% status_dot "failed" "-" %}')
    assert draw('{% status_dot "failed" %}').endswith("Failed</span>")


def test_state_icon_inside_a_drawing_is_only_the_icon():
    assert draw('{% status_icon "failed" x=1 %}').startswith("<svg")


def test_avatar_of_a_person_is_round():
    assert draw("{% avatar who %}", who=ADA) == '<span class="avatar h3" aria-hidden="true">AO</span>'


def test_avatar_of_a_team_is_square_and_says_its_short_name():
    html = draw('{% avatar who "sm" %}', who=TEAM)
    assert 'class="avatar sm team h' in html
    assert ">RM<" in html


def test_avatar_of_a_service_account_is_a_robot():
    robot = SimpleNamespace(name="ci", email="ci@x", initials="CI", hue=1, is_service_account=True)
    assert "#bot" in draw("{% avatar who %}", who=robot)


def test_avatar_escapes_initials():
    assert "<b>" not in draw("{% avatar who %}", who=SimpleNamespace(email="x", initials="<b>", hue=0))


def test_avatar_stack_counts_the_rest():
    html = draw("{% avatar_stack people total=7 limit=2 %}", people=[ADA, ADA, ADA])
    assert html.count(">AO<") == 2
    assert ">+5<" in html
    assert 'aria-label="Ada Okafor, Ada Okafor and 5 more"' in html


def test_role_pill_knows_predefined_roles():
    assert draw("{% role_pill name %}", name="Admin") == '<span class="role admin">Admin</span>'
    assert 'class="role custom"' in draw("{% role_pill name %}", name="Model reviewer")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0 s"),
        (3.14, "3.1 s"),
        (9.96, "10 s"),
        (41, "41 s"),
        (59.7, "1 m 00 s"),
        (350, "5 m 50 s"),
        (724, "12 m 04 s"),
        (3725, "1 h 02 m"),
        (timedelta(seconds=41), "41 s"),
        (-1, "0.0 s"),
        (None, ""),
    ],
)
def test_duration(seconds, text):
    assert ui.duration(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (5, "just now"),
        (-5, "in a moment"),
        (12 * 60, "12 min ago"),
        (2 * 3600, "2 h ago"),
        (26 * 3600, "yesterday"),
        (3 * 86400, "3 days ago"),
        (-25 * 3600, "in 1 day"),
        (-6 * 86400 - 60, "in 6 days"),
    ],
)
def test_ago(seconds, text):
    assert f">{text}</time>" in ui.ago(timezone.now() - timedelta(seconds=seconds))


def test_ago_of_long_past_is_a_date_and_always_exact_in_the_title():
    html = ui.ago("2020-03-03T10:20:30+00:00")
    assert ">3 Mar 2020</time>" in html
    assert 'datetime="2020-03-03T' in html
    assert 'title="3 March 2020, ' in html


def test_ago_of_nothing():
    assert ui.ago(None) == "never"


def test_ago_takes_times_without_zone_as_utc():
    assert ">just now<" in ui.ago(timezone.now().replace(tzinfo=None).isoformat())


def test_copy_button_escapes_and_has_a_name():
    html = draw('{% copy_button text "Copy link" %}', text='"><script>')
    assert "<script>" not in html
    assert 'aria-label="Copy link"' in html


def test_shortid():
    assert ui.shortid("0f6b9c1e-5a52") == "0f6b9c1e"
    assert ui.shortid(None) == ""


@pytest.mark.parametrize(
    ("tag", "expected"), [("", None), ("undo:https://evil", None), ("undo://evil", None)]
)
def test_undo_stays_on_this_site(tag, expected):
    assert ui.undo_of(Message(constants.SUCCESS, "x", extra_tags=tag)) is expected


def test_undo_gives_address_and_fields():
    message = Message(constants.SUCCESS, "x", extra_tags="undo:/o/acme/members/7/?role=member&x=")
    assert ui.undo_of(message) == {"url": "/o/acme/members/7/", "fields": [("role", "member"), ("x", "")]}


@pytest.mark.parametrize(
    ("level", "tone", "name"),
    [
        (constants.SUCCESS, "ok", "circle-check"),
        (constants.ERROR, "bad", "circle-x"),
        (constants.WARNING, "warn", "triangle-alert"),
        (constants.INFO, "run", "info"),
    ],
)
def test_message_level_has_tone_and_icon(level, tone, name):
    message = Message(level, "x")
    assert (ui.message_tone(message), ui.message_icon(message)) == (tone, name)


def test_session_days_come_from_settings(settings):
    settings.SESSION_COOKIE_AGE = 3 * 86400
    assert ui.session_days() == 3


def test_sign_in_page_offers_an_account_only_where_sign_up_is_open(client, db, settings):
    settings.ZENPRO_OPEN_SIGNUP = False
    assert "/accounts/signup/" not in client.get("/accounts/login/").content.decode()
    settings.ZENPRO_OPEN_SIGNUP = True
    assert "/accounts/signup/" in client.get("/accounts/login/").content.decode()


def test_style_sheet_stays_small():
    """What every page loads. Rules of one page belong to a sheet of its own, which only that page loads."""
    assert (settings.BASE_DIR / "static/css/app.css").stat().st_size <= 34 * 1024


def test_vendored_files_carry_their_licence():
    names = {"fonts/inter-OFL.txt", "fonts/jetbrains-mono-OFL.txt", "icons/LICENSE"}
    assert all((settings.BASE_DIR / "static" / name).stat().st_size for name in names)
