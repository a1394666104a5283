"""What people see after too many attempts, with how long to wait. allauth counts, in the cache all processes share."""

import math
import time

from allauth.account import app_settings as account_settings
from allauth.core.internal.ratelimit import Rate, get_cache_key, get_rates
from allauth.mfa import app_settings as mfa_settings
from django.core.cache import cache
from django.shortcuts import render

from zenpro_site.common.mailboxes import normal

APPS = {"allauth.account": account_settings, "allauth.mfa": mfa_settings}


def too_many(request, key: str | None = None):
    """The page that refuses, status 429. `key`: the person's, where attempts were counted by person."""
    typed = normal(request.POST.get("email", ""))  # where a reset was asked for
    seconds = max([1, *_waits(request, key or typed or None)])
    response = render(request, "429.html", {"wait": in_words(seconds)}, status=429)
    response.headers["Retry-After"] = str(seconds)
    return response


def _waits(request, key: str | None):
    """Seconds until each limit that is used up lets the next attempt in."""
    for app, settings in APPS.items():
        for action in settings.RATE_LIMITS:
            for rate in get_rates(app=app, action=action):
                if _counts(request, rate, key):
                    counted = get_cache_key(request, app=app, action=action, rate=rate, key=key)
                    yield _wait(rate, cache.get(counted, []))


def _counts(request, rate: Rate, key: str | None) -> bool:
    """Does the limit look at who asks here?"""
    return {"ip": True, "user": request.user.is_authenticated, "key": key is not None}[rate.per]


def _wait(rate: Rate, attempts: list[float]) -> int:
    """`attempts`: times in seconds, the last one first."""
    if len(attempts) < rate.amount:
        return 0
    return max(0, math.ceil(attempts[rate.amount - 1] + rate.duration - time.time()))


def in_words(seconds: int) -> str:
    """ "40 seconds", "5 minutes"."""
    if seconds < 60:
        return f"{seconds} second{'s' * (seconds > 1)}"
    minutes = math.ceil(seconds / 60)
    return f"{minutes} minute{'s' * (minutes > 1)}"
