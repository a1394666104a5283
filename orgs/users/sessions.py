"""Where a person is signed in: one row for each of their sessions, beside the session itself."""

import re
import time
from dataclasses import dataclass
from datetime import datetime

from allauth.usersessions.models import UserSession
from django.contrib.auth import HASH_SESSION_KEY, update_session_auth_hash
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.utils import timezone
from django.utils.crypto import constant_time_compare

NOTED = "noted_at"  # in the session: when its row was written last
STEP = 300  # seconds
# The first that is found counts: Edge and Opera say Chrome as well, and Chrome says Safari.
BROWSERS = (
    ("Edg", "Edge"),
    ("OPR", "Opera"),
    ("Firefox", "Firefox"),
    ("HeadlessChrome", "Chrome"),
    ("Chrome", "Chrome"),
    ("Safari", "Safari"),
)
SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
)


@dataclass(frozen=True)
class Shown:
    """A session as its owner sees it."""

    pk: int
    browser: str
    ip: str
    since: datetime
    seen: datetime
    is_current: bool
    is_phone: bool


def note(request) -> None:
    """Write the row of this session, at most once in five minutes. No query while it is fresh."""
    now = time.time()
    if not isinstance(request.session, SessionStore):
        return  # kept elsewhere than in the database: it could not be ended from here
    if now - request.session.get(NOTED, 0) >= STEP and request.user.is_authenticated:
        request.session[NOTED] = now
        UserSession.objects.create_from_request(request)


def keep(request, person) -> None:
    """This session goes on although all sessions of the signed-in `person` have just ended. It gets another key."""
    person.usersession_set.filter(session_key=request.session.session_key).delete()
    update_session_auth_hash(request, person)
    request.session.pop(NOTED, None)
    note(request)


def of(request) -> list[Shown]:
    """Sessions of the signed-in person that still work, this one first, then the last used. Two queries."""
    shown = [_shown(row, request.session.session_key) for row in living(request.user)]
    return sorted(shown, key=lambda session: not session.is_current)


def living(person) -> list[UserSession]:
    """Rows of the person's sessions that still work, the last used first. Two queries."""
    rows = person.usersession_set.order_by("-last_seen_at")
    alive = _alive(person, [row.session_key for row in rows])
    return [row for row in rows if row.session_key in alive]


def _alive(person, keys: list[str]) -> set[str]:
    """Keys of sessions that have neither run out nor been ended by a new password or a sign-out everywhere."""
    wanted = person.get_session_auth_hash()
    found = Session.objects.filter(session_key__in=keys, expire_date__gt=timezone.now())
    return {
        session.session_key
        for session in found
        if constant_time_compare(session.get_decoded().get(HASH_SESSION_KEY, ""), wanted)
    }


def _shown(row: UserSession, current_key: str) -> Shown:
    return Shown(
        pk=row.pk,
        browser=browser_of(row.user_agent),
        ip=row.ip,
        since=row.created_at,
        seen=row.last_seen_at,
        is_current=row.session_key == current_key,
        is_phone=bool(re.search("iPhone|Android", row.user_agent)),
    )


def browser_of(agent: str) -> str:
    """ "Firefox on Linux" out of a user agent; "A browser" for what names neither."""
    browser = next((name for word, name in BROWSERS if word in agent), "")
    system = next((name for word, name in SYSTEMS if word in agent), "")
    if browser and system:
        return f"{browser} on {system}"
    return browser or system or (agent.partition("/")[0][:40] or "A browser")
