"""One signed POST to an address that no one trusts: in time, without redirects, and only to an IP address that was
checked. Of the answer only the status is read: a body could show what only this machine can reach.
"""

import hashlib
import hmac
import time
from dataclasses import dataclass

import httpx

from tenants.hosting.base import TenantBusy
from tenants.hosting.bounded import AddressRefused, CallPlaces, Deadline, TooMuch, make_http, status_of
from zenpro_site.common.refusals import Refused

from .destinations import INNER, checked, may_reach

SECONDS = 8.0  # the whole call
SIGNATURE, DELIVERY, EVENT = "ZenPro-Signature", "ZenPro-Delivery", "ZenPro-Event"
GONE = 410
# Tests are sent while someone waits, and each holds a thread of the web process.
TEST_PLACES = CallPlaces(each=1, together=4)
BUSY = "Another test is under way. Try again in a moment."


@dataclass(frozen=True)
class Reply:
    """`status` is None when there was no answer; `error` is a sentence, "" when it was taken; `is_final`: the same
    would happen again."""

    status: int | None
    error: str = ""
    is_final: bool = False

    @property
    def ok(self) -> bool:
        return not self.error


def signature(secret: str, body: bytes, timestamp: int) -> str:
    """The value of the header: `t=<seconds since 1970>,v1=<HMAC-SHA256 in hex of "<t>.<body>">`."""
    signed = hmac.new(secret.encode(), f"{timestamp}.".encode() + body, hashlib.sha256)
    return f"t={timestamp},v1={signed.hexdigest()}"


def send(*, address: str, secret: str, event: str, delivery: str, body: str) -> Reply:
    """POST the body, signed at this moment. Never raises for what the other side is or does."""
    try:
        url = checked(address).geturl()
    except Refused as error:  # the setting has been changed since it was saved
        return Reply(None, str(error), is_final=True)
    content = body.encode()
    headers = {
        "Content-Type": "application/json",
        EVENT: event,
        DELIVERY: delivery,
        SIGNATURE: signature(secret, content, int(time.time())),
    }
    try:
        with make_http(admits=may_reach) as http:
            return _told(status_of(http, "POST", url, Deadline(SECONDS), content=content, headers=headers))
    except AddressRefused:
        return Reply(None, INNER, is_final=True)
    except TooMuch:
        return Reply(None, "The other side's answer is too long.")
    except httpx.TimeoutException:
        return Reply(None, f"The other side did not answer within {SECONDS:.0f} seconds.")
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return Reply(None, _words(error))


def send_test(host: str, **delivery: str) -> Reply:
    """The same for a person who waits. Few at once, and one to a host."""
    try:
        with TEST_PLACES.one(host):
            return send(**delivery)
    except TenantBusy:
        return Reply(None, BUSY)


def _told(status: int) -> Reply:
    if 200 <= status < 300:
        return Reply(status)
    if 300 <= status < 400:
        text = f"The other side answered with a redirect ({status}), which is not followed."
        return Reply(status, text, is_final=True)
    return Reply(status, f"The other side answered with status {status}.", is_final=status == GONE)


def _words(error: Exception) -> str:
    text = str(error).lower()
    if "certificate" in text or "ssl" in text or "tls" in text:
        return "The other side's certificate is not trusted here."
    if "name or service" in text or "name resolution" in text or "no address" in text:
        return "There is no such host."
    if "refused" in text:
        return "Nothing is listening there."
    return "No connection could be made."
