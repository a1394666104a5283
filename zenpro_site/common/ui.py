"""Template tags and filters of the look: icons, avatars, states, times. Builtins, so no {% load %} is needed."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from urllib.parse import parse_qsl, urlencode, urlsplit

from django import template
from django.conf import settings
from django.templatetags.static import static
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeData, mark_safe

from zenpro_site.common.addresses import full
from zenpro_site.common.names import without_odd

register = template.Library()

# state: (tone, icon, word). Tenant states and run states share no word with different meanings.
STATES = {
    "available": ("ok", "circle-check", "Available"),
    "silent": ("warn", "wifi-off", "Not answering"),
    "pending": ("warn", "loader-circle", "In progress"),
    "failed": ("bad", "circle-x", "Failed"),
    "deactivated": ("off", "power-off", "Deactivated"),
    "not_initialized": ("warn", "hourglass", "Not started"),
    "deleted": ("off", "trash-2", "Deleted"),
    "completed": ("ok", "circle-check", "Completed"),
    "cached": ("ok", "circle-check", "Cached"),
    "running": ("run", "loader-circle", "Running"),
    "initializing": ("run", "loader-circle", "Initializing"),
    "provisioning": ("run", "loader-circle", "Provisioning"),
    "requested": ("run", "loader-circle", "Requested"),
    "preparing": ("run", "loader-circle", "Preparing"),
    "starting": ("run", "loader-circle", "Starting"),
    "submitting": ("run", "loader-circle", "Submitting"),
    "submitted": ("run", "loader-circle", "On a remote stack"),
    "resuming": ("run", "loader-circle", "Resuming"),
    "retrying": ("warn", "refresh-cw", "Retrying"),
    "retried": ("off", "refresh-cw", "Retried"),
    "stopping": ("warn", "loader-circle", "Stopping"),
    "stopped": ("off", "circle-stop", "Stopped"),
    "cancelling": ("warn", "loader-circle", "Cancelling"),
    "cancelled": ("off", "circle-stop", "Cancelled"),
    "skipped": ("off", "skip-forward", "Skipped"),
    "not_run": ("off", "circle-slash", "Not run"),
    "queued": ("off", "circle-dashed", "Queued"),
    "waiting": ("off", "circle-dashed", "Waiting"),
    "paused": ("off", "circle-pause", "Paused"),
    "active": ("ok", "circle-check", "Active"),
    "inactive": ("off", "circle-slash", "Inactive"),
    "invited": ("warn", "clock", "Pending"),
    "accepted": ("ok", "circle-check", "Accepted"),
    "expired": ("bad", "circle-alert", "Expired"),
    "revoked": ("off", "ban", "Revoked"),
    "delivery_failed": ("bad", "mail-x", "Delivery failed"),
}
UNKNOWN = ("off", "circle-help", "Unknown")
AGO_STEPS = ((3600, 60, "min"), (86400, 3600, "h"))
ROLE_TONES = {"admin", "developer", "editor", "operator", "viewer", "member"}


def _state(state):
    name = str(state or "").lower()
    return STATES.get(name) or (*UNKNOWN[:2], name.replace("_", " ").capitalize() or UNKNOWN[2])


@register.simple_tag
def icon(name, css="", **attrs):
    """Decorative icon from the sprite; `attrs` (x, y, width ...) go to the <svg>, for use inside drawings."""
    if not attrs:
        return _plain_icon(static, str(name), css)
    extra = format_html_join("", ' {}="{}"', attrs.items())
    return _icon(static, name, css, extra)


def _icon(address, name, css, extra=""):
    classes = f"icon {css}".strip()
    href = f"{address('icons.svg')}#{name}"
    return format_html('<svg class="{}" aria-hidden="true"{}><use href="{}"/></svg>', classes, extra, href)


_plain_icon = lru_cache(maxsize=500)(_icon)  # a list has hundreds of them


def _icon_for(state, **attrs):
    tone, name, _ = _state(state)
    css = f"t-{tone}" + (" spin" if name == "loader-circle" else "")
    return tone, icon(name, css, **attrs)


@register.simple_tag
def status_pill(state, label=""):
    """Pill with icon and word for a tenant, run or invitation state; `label` replaces the word."""
    tone, mark = _icon_for(state)
    return format_html('<span class="pill t-{}">{}{}</span>', tone, mark, label or _state(state)[2])


@register.simple_tag
def status_icon(state, **attrs):
    """Coloured icon of a state for list rows and drawings; the word is there for screen readers."""
    tone, mark = _icon_for(state, **attrs)
    if attrs:
        return mark
    return format_html(
        '<span class="tone t-{}">{}<span class="sr">{}</span></span>', tone, mark, _state(state)[2]
    )


@register.simple_tag
def status_dot(state, label=""):
    """Dot and word: `● Available`. With label="-" only the dot, the word hidden for screen readers."""
    tone, _, word = _state(state)
    if label == "-":
        return format_html('<span class="dot t-{}"></span><span class="sr">{}</span>', tone, word)
    return format_html('<span class="status"><span class="dot t-{}"></span>{}</span>', tone, label or word)


@register.filter
def tone(state):
    """Tone of a state: ok, warn, bad, run or off, for class="t-{{ state|tone }}"."""
    return _state(state)[0]


@register.filter
def state_word(state):
    """Word people read for a state: "not_initialized" -> "Not started"."""
    return _state(state)[2]


@register.simple_tag
def avatar(who, size=""):
    """Round initials of a person, square ones of a team or organization, a robot for a service account.

    Sizes: xs, sm, "" and lg. Decorative: the name stands beside it.
    """
    if getattr(who, "is_service_account", False):
        return format_html('<span class="avatar ghost {}" aria-hidden="true">{}</span>', size, icon("bot"))
    name = _name(who)
    hue = getattr(who, "hue", None)
    shape = "" if hasattr(who, "email") or isinstance(who, str) else "team"
    classes = " ".join(filter(None, ["avatar", size, shape, f"h{_hue(name if hue is None else hue)}"]))
    initials = getattr(who, "initials", "") or _initials(name)
    return format_html('<span class="{}" aria-hidden="true">{}</span>', classes, initials)


def _name(who):
    return str(
        getattr(who, "label", "") or getattr(who, "name", "") or getattr(who, "email", "") or who or "?"
    )


def _initials(name):
    words = name.replace("-", " ").replace("_", " ").split() or ["?"]
    return (words[0][:2] if len(words) == 1 else words[0][0] + words[1][0]).upper()


def _hue(value):
    number = value if isinstance(value, int) else sum(str(value).encode())
    return number % 8


@register.inclusion_tag("components/avatars.html")
def avatar_stack(people, total=None, size="sm", limit=4):
    """Overlapping avatars of the first `limit` people and "+n" for the rest."""
    people = list(people)
    total = len(people) if total is None else total
    shown = people[:limit]
    names = ", ".join(_name(person) for person in shown)
    return {"shown": shown, "rest": total - len(shown), "size": size, "names": names}


@register.simple_tag
def role_pill(name):
    """Coloured pill of a role name; names that are not predefined get the custom colour."""
    css = str(name).lower()
    return format_html('<span class="role {}">{}</span>', css if css in ROLE_TONES else "custom", name)


def _as_datetime(value):
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    return value.replace(tzinfo=UTC) if timezone.is_naive(value) else value


def _distance(seconds):
    for limit, unit, word in AGO_STEPS:
        if seconds < limit:
            return f"{int(seconds // unit)} {word}"
    days = int(seconds // 86400)
    return "1 day" if days == 1 else f"{days} days"


def _relative(moment, now):
    seconds = (now - moment).total_seconds()
    if abs(seconds) < 60:
        return "just now" if seconds >= 0 else "in a moment"
    if 86400 <= seconds < 172800:
        return "yesterday"
    if abs(seconds) >= 30 * 86400:
        same_year = moment.year == now.year
        return f"{moment.day} {moment:%b}" if same_year else f"{moment.day} {moment:%b %Y}"
    return f"{_distance(seconds)} ago" if seconds > 0 else f"in {_distance(-seconds)}"


@register.filter
def ago(value):
    """Time in words ("12 min ago", "in 6 days", "3 Mar") inside <time> with the exact time as title; "never" for none."""
    if not value:
        return "never"
    moment = timezone.localtime(_as_datetime(value))
    text = _relative(moment, timezone.localtime())
    exact = f"{moment.day} {moment:%B %Y, %H:%M:%S %Z}"
    return format_html('<time datetime="{}" title="{}">{}</time>', moment.isoformat(), exact, text)


@register.filter
def until(value):
    """The last day of something, "3 Dec" or "3 Dec 2027", inside <time>; empty for none."""
    if not value:
        return ""
    moment = timezone.localtime(_as_datetime(value))
    year = "" if moment.year == timezone.localtime().year else f" {moment.year}"
    text = f"{moment.day} {moment:%b}{year}"
    exact = f"{moment.day} {moment:%B %Y, %H:%M %Z}"
    return format_html('<time datetime="{}" title="{}">{}</time>', moment.isoformat(), exact, text)


@register.filter
def duration(value):
    """Seconds or timedelta as "3.1 s", "41 s", "5 m 50 s", "1 h 02 m"; empty for none."""
    if value is None or value == "":
        return ""
    seconds = value.total_seconds() if isinstance(value, timedelta) else float(value)
    if seconds < 9.95:
        return f"{max(seconds, 0):.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes == 0:
        return f"{rest} s"
    return f"{minutes} m {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} m"


@register.filter
def shortid(value):
    """First eight characters of an id."""
    return str(value or "")[:8]


@register.filter
def readable(text):
    """Without what turns the direction of a line or cannot be seen. Markup that was safe stays so."""
    plain = without_odd(str(text))
    return mark_safe(plain) if isinstance(text, SafeData) else plain  # noqa: S308 - it was before


@register.filter
def full_address(path):
    """A path as a whole address, to be passed on."""
    return full(path)


@register.simple_tag
def copy_button(text, label="Copy", css="quiet"):
    """Icon button that copies `text`; shown only where scripts run, the text itself stays selectable."""
    return format_html(
        '<button type="button" class="btn icon sm {}" data-copy="{}" aria-label="{}" title="{}">{}</button>',
        css, text, label, label, icon("copy"),
    )  # fmt: skip


@register.simple_tag(takes_context=True)
def passkeys_work(context):
    """Browsers offer passkeys for names over TLS, and for localhost; never for a bare address such as 127.0.0.1."""
    request = context["request"]
    host = urlsplit(f"//{request.get_host()}").hostname or ""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    return request.is_secure() and ":" not in host and not host.replace(".", "").isdigit()


@register.simple_tag
def session_days():
    """Days a sign-in lasts when it is to be remembered."""
    return settings.SESSION_COOKIE_AGE // 86400


@register.simple_tag
def mail_is_set_up():
    """Whether mails can be sent."""
    return settings.MAIL_IS_SET_UP


@register.simple_tag
def open_signup():
    """Whether anyone may create an account."""
    return settings.ZENPRO_OPEN_SIGNUP


@register.simple_tag(takes_context=True)
def company_sign_in(context, back: str = ""):
    """{"name", "url", "only"} of the provider people may sign in with, or None. `back`: where they land afterwards."""
    oidc, request = settings.ZENPRO_OIDC, context["request"]
    if oidc is None:
        return None
    back = back or request.POST.get("next") or request.GET.get("next", "")
    url = reverse("openid_connect_login", args=[oidc.provider])
    return {
        "name": oidc.name,
        "url": f"{url}?{urlencode({'next': back})}" if back else url,
        "only": oidc.only,
    }


@register.filter
def undo_of(message):
    """Undo of a message with extra_tags "undo:/path?field=value": {"url", "fields"} for its form, or None."""
    tag = getattr(message, "extra_tags", "") or ""
    if not tag.startswith("undo:/") or tag.startswith("undo://"):
        return None
    parts = urlsplit(tag.removeprefix("undo:"))
    return {"url": parts.path, "fields": parse_qsl(parts.query, keep_blank_values=True)}


@register.filter
def message_tone(message):
    """Tone of a Django message level."""
    return {"error": "bad", "warning": "warn", "success": "ok"}.get(message.level_tag, "run")


@register.filter
def message_icon(message):
    """Icon name of a Django message level."""
    names = {"error": "circle-x", "warning": "triangle-alert", "success": "circle-check"}
    return names.get(message.level_tag, "info")
