"""The object storage that machines of an installation share, from the environment. What cannot work stops the start with
a hint."""

import importlib.util
import os
import re
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from zenpro_site.common.shared_files import ALIAS
from zenpro_site.env import as_site

BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
PREFIX = re.compile(r"[A-Za-z0-9_.=-]+(/[A-Za-z0-9_.=-]+)*")
REGION = re.compile(r"[a-z0-9-]{1,64}")
KEY = re.compile(r"[A-Za-z0-9:/_-]{1,2048}")
ENCRYPTIONS = ("", "AES256", "aws:kms", "aws:kms:dsse")
EXAMPLE = "Set it to a bucket and a prefix, such as s3://my-bucket/zenpro."
PAIR = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
WEB_IDENTITY = ("AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN")


def load_storage(env) -> dict[str, Any]:
    """The entry for Django's STORAGES, or none where files stay in the data folder. Raises ImproperlyConfigured."""
    address = env("ZENPRO_STORAGE", default="")
    if not address:
        return {}
    bucket, prefix = _place(address)
    _check_client()
    _check_credentials()
    options = {
        "bucket_name": bucket,
        "location": prefix,
        "endpoint_url": _endpoint(env),
        "region_name": _text(env, "ZENPRO_STORAGE_REGION", REGION, "a region such as eu-central-1") or None,
        "object_parameters": _encryption(env),
    }
    return {ALIAS: {"BACKEND": "zenpro_site.common.bucket.Bucket", "OPTIONS": options}}


def _place(address: str) -> tuple[str, str]:
    """(bucket, prefix)"""
    scheme, _, rest = address.partition("://")
    bucket, _, prefix = rest.partition("/")
    prefix = prefix.strip("/")
    if scheme != "s3" or not BUCKET.fullmatch(bucket):
        raise ImproperlyConfigured(f"ZENPRO_STORAGE is {_without_password(address)!r}. {EXAMPLE}")
    if prefix and (not PREFIX.fullmatch(prefix) or {".", ".."} & set(prefix.split("/"))):
        raise ImproperlyConfigured(
            f"ZENPRO_STORAGE has the prefix {prefix!r}. Use letters, digits and . _ = - between slashes."
        )
    return bucket, prefix


def _without_password(text: str) -> str:
    return re.sub(r"//[^/]*@", "//…@", text)


def _check_client() -> None:
    if any(importlib.util.find_spec(name) is None for name in ("storages", "boto3")):
        raise ImproperlyConfigured("ZENPRO_STORAGE is set: install zenpro[s3] to get its client.")


def _check_credentials() -> None:
    """Where none are named, the client looks where it usually does: its files, and the machine's own account."""
    for names in (PAIR, WEB_IDENTITY):
        given = [name for name in names if os.environ.get(name)]
        if len(given) == 1:
            other = next(name for name in names if name not in given)
            raise ImproperlyConfigured(f"{given[0]} is set and {other} is not. Set both, or neither.")
    token = os.environ.get(WEB_IDENTITY[0])
    if token and not Path(token).is_file():
        raise ImproperlyConfigured(f"{WEB_IDENTITY[0]} is {token!r}, which is not a file.")


def _endpoint(env) -> str | None:
    """None for Amazon's own."""
    text = env("ZENPRO_STORAGE_ENDPOINT", default="")
    return as_site("ZENPRO_STORAGE_ENDPOINT", text).geturl() if text else None


def _text(env, var: str, pattern: re.Pattern, words: str) -> str:
    found = env(var, default="")
    if found and not pattern.fullmatch(found):
        raise ImproperlyConfigured(f"{var} is {found!r}. Set it to {words}.")
    return found


def _encryption(env) -> dict[str, str]:
    """What is asked of the storage for each object; "" leaves it to the bucket."""
    kind = env.one_of("ZENPRO_STORAGE_ENCRYPTION", ENCRYPTIONS, "")
    key = _text(env, "ZENPRO_STORAGE_KMS_KEY", KEY, "the id or ARN of a key")
    if key and not kind.startswith("aws:kms"):
        raise ImproperlyConfigured("ZENPRO_STORAGE_KMS_KEY needs ZENPRO_STORAGE_ENCRYPTION=aws:kms.")
    found = {"ServerSideEncryption": kind} if kind else {}
    return found | ({"SSEKMSKeyId": key} if key else {})
