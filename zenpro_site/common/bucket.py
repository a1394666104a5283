"""A bucket of S3 or of what speaks like it, as shared_files has it. Nothing imports this but Django, where one is set: its
client takes half a second to load."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from functools import cached_property
from typing import Any, BinaryIO

import boto3
import botocore.session
from boto3.exceptions import Boto3Error
from boto3.s3.transfer import TransferConfig
from botocore import exceptions as failures
from botocore.config import Config
from storages.backends.s3 import S3Storage
from urllib3.exceptions import HTTPError

from .bucket_answers import TOO_LATE, hurry
from .shared_files import CHUNK, SILENT, StorageFailed

# Seconds: to connect, to wait for a byte, and for the answer to what was sent.
CONNECT, ASKING, MOVING = 2.0, 3.0, 8.0
# Seconds from the first byte that is sent to the last of an answer that is not a file, however slowly both come.
ASKED_WITHIN, MOVED_WITHIN, LISTED_WITHIN = 6.0, 60.0, 120.0
MOST_LISTED = 1_000_000
MISSING = "NoSuchKey"  # a storage says so; a bare 404 may be that of a proxy
REFUSALS = {
    "AccessDenied": "the object storage does not allow it.",
    "403": "the object storage does not allow it.",
    "InvalidAccessKeyId": "the object storage does not know the access key.",
    "SignatureDoesNotMatch": "the object storage does not accept the secret key.",
    "ExpiredToken": "the credentials for the object storage have expired.",
    "NoSuchBucket": "there is no such bucket.",
    "SlowDown": "the object storage is busy.",
}
SILENCE = (
    failures.EndpointConnectionError,
    failures.ConnectTimeoutError,
    failures.ReadTimeoutError,
    failures.ConnectionClosedError,
    failures.ProxyConnectionError,
)
BROKE_OFF = "the answer of the object storage broke off."
NONSENSE = "the object storage answers with nonsense."
TOO_MANY = "there are more objects in the object storage than anything stored there."
# What the client raises -> the reason, and whether that means silence; the first one counts.
REASONS = (
    (SILENCE, SILENT, True),
    (
        (failures.NoCredentialsError, failures.PartialCredentialsError),
        "there are no credentials for the object storage.",
        False,
    ),
    (HTTPError, BROKE_OFF, True),
    (
        failures.SSLError,
        "no secure connection to the object storage can be made: check its certificate.",
        False,
    ),
    # botocore's parsers let them through.
    ((ValueError, TypeError, LookupError, ArithmeticError), NONSENSE, False),
)
FAILURES = (
    *(failures.BotoCoreError, Boto3Error, HTTPError, OSError),
    *(ValueError, TypeError, LookupError, ArithmeticError),
)


class Bucket(S3Storage):
    """django-storages' settings and names, with reads that have limits. One client for all threads, as botocore allows."""

    def __init__(self, **options: Any):
        self.common = {
            "s3": {"addressing_style": "path" if options.get("endpoint_url") else "auto"},
            "connect_timeout": CONNECT,
            # Many storages that speak like S3 do not know its newer checksums.
            "request_checksum_calculation": "when_required",
            "response_checksum_validation": "when_required",
        }
        asking = Config(read_timeout=ASKING, retries={"total_max_attempts": 1}, **self.common)
        transfer = TransferConfig(use_threads=False)
        super().__init__(client_config=asking, transfer_config=transfer, **options)

    def _create_session(self):
        """Credentials are botocore's own business: variables, files, a web identity. Asking for them has limits too."""
        session = botocore.session.get_session()
        session.set_default_client_config(self.client_config)
        return boto3.Session(botocore_session=session)

    @cached_property
    def asking(self) -> Any:
        """For what a page may wait for: one attempt."""
        return hurry(self.connection.meta.client, ASKED_WITHIN)

    @cached_property
    def moving(self) -> Any:
        """For what is sent, and for lists: two attempts, since a storage may be busy for a moment."""
        patient = Config(read_timeout=MOVING, retries={"total_max_attempts": 2}, **self.common)
        options = {"region_name": self.region_name, "endpoint_url": self.endpoint_url}
        client = self._create_session().client("s3", config=self.client_config.merge(patient), **options)
        return hurry(client, MOVED_WITHIN)

    def put(self, name: str, file: BinaryIO) -> None:
        key, more = self._normalize_name(name), self.get_object_parameters(name)
        with _told():
            self.moving.upload_fileobj(
                file, self.bucket_name, key, ExtraArgs=more, Config=self.transfer_config
            )

    def end_of(self, name: str, most: int, seconds: float) -> bytes:
        wanted = {"Key": self._normalize_name(name), "Range": f"bytes=-{most}"}
        until = time.monotonic() + seconds
        with _told():
            try:
                answer = self.asking.get_object(Bucket=self.bucket_name, **wanted)
            except failures.ClientError as error:
                if _code(error) == "InvalidRange":  # of what is empty
                    return b""
                raise
            return b"".join(_chunks(answer, most, until))

    def fetch(self, name: str, target: BinaryIO, most: int, seconds: float) -> None:
        until = time.monotonic() + seconds
        with _told():
            answer = self.asking.get_object(Bucket=self.bucket_name, Key=self._normalize_name(name))
            target.writelines(_chunks(answer, most, until))

    def remove(self, name: str) -> None:
        with _told():
            self.asking.delete_object(Bucket=self.bucket_name, Key=self._normalize_name(name))

    def listed(self, folder: str) -> dict[str, datetime]:
        prefix, found = f"{self._normalize_name(folder)}/", {}
        until = time.monotonic() + LISTED_WITHIN
        with _told():
            pages = self.moving.get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=self.bucket_name, Prefix=prefix):
                found |= dict(_entry(each, prefix) for each in page.get("Contents", ()))
                if len(found) > MOST_LISTED:
                    raise StorageFailed(TOO_MANY)
                if time.monotonic() > until:
                    raise StorageFailed(TOO_LATE, is_silent=True)
        return found


def _entry(entry: Mapping[str, Any], prefix: str) -> tuple[str, datetime]:
    """Raises KeyError, ValueError for what is no entry of such a list."""
    key, stored = entry["Key"], entry["LastModified"]
    if not key.startswith(prefix) or stored.tzinfo is None:
        raise ValueError
    return key.removeprefix(prefix), stored


def _chunks(answer: Mapping[str, Any], most: int, until: float) -> Iterator[bytes]:
    """The body as it arrives. `read1` returns with what is there, so the time is looked at again and again."""
    left = answer.get("ContentLength")
    if left is None:
        raise StorageFailed("the object storage says nothing of its length.")
    if left < 0:
        raise StorageFailed(NONSENSE)
    if left > most:
        raise StorageFailed("the object is larger than anything stored there.")
    with answer["Body"]._raw_stream as body:
        while left > 0:
            if time.monotonic() > until:
                raise StorageFailed(TOO_LATE, is_silent=True)
            if not (chunk := body.read1(min(left, CHUNK))):
                raise StorageFailed(BROKE_OFF)
            left -= len(chunk)
            yield chunk


def _code(error: failures.ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


@contextmanager
def _told() -> Iterator[None]:
    """What the client says, in our words: none of its sentences, which can hold addresses and keys."""
    try:
        yield
    except failures.ClientError as error:
        if (code := _code(error)) == MISSING:
            raise FileNotFoundError from error
        raise StorageFailed(REFUSALS.get(code, f"the object storage answered {_shown(code)}.")) from error
    except FAILURES as error:
        raise _failure(error) from error


def _failure(error: Exception) -> StorageFailed:
    for kinds, reason, is_silent in REASONS:
        if isinstance(error, kinds):
            return StorageFailed(reason, is_silent)
    return StorageFailed(f"the client of the object storage failed ({type(error).__name__}).")


def _shown(code: str) -> str:
    return "".join(sign for sign in code[:60] if sign.isalnum()) or "an error"
