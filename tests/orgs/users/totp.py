"""What an authenticator app shows (RFC 6238), worked out without the library under test."""

import base64
import hashlib
import hmac
import struct
import time


def code_of(key: str, at: float | None = None) -> str:
    counter = struct.pack(">Q", int(time.time() if at is None else at) // 30)
    digest = hmac.new(base64.b32decode(key), counter, hashlib.sha1).digest()
    start = digest[-1] & 15
    number = struct.unpack(">I", digest[start : start + 4])[0] & 0x7FFFFFFF
    return f"{number % 1_000_000:06}"
