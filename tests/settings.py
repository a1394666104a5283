"""Settings of the tests: the real ones with keys of their own, a temporary data folder and quick hashing."""

import atexit
import os
import shutil
import tempfile

_data = os.environ.get("ZENPRO_TEST_DATA")
if not _data:
    _data = tempfile.mkdtemp(prefix="zenpro-test-")
    atexit.register(shutil.rmtree, _data, ignore_errors=True)
os.environ["ZENPRO_DATA"] = _data
os.environ["ZENPRO_SECRET_KEY"] = "only-for-tests-" + "x" * 50
os.environ["ZENPRO_SECRET_KEYS"] = "dGVzdHRlc3R0ZXN0dGVzdHRlc3R0ZXN0dGVzdHRlc3Q="
if "ZENPRO_TEST_DATABASE_URL" in os.environ:
    os.environ["DATABASE_URL"] = os.environ["ZENPRO_TEST_DATABASE_URL"]

from zenpro_site.common.statements import options
from zenpro_site.settings import *
from zenpro_site.settings import DATABASES, STORAGES, ZENPRO_DATA

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
CACHES = {
    "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": "default"},
    "local": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": "local"},
}
STORAGES = {**STORAGES, "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    DATABASES["default"]["TEST"] = {"NAME": ZENPRO_DATA / "test.sqlite3"}
    # Nothing here must outlive a power cut.
    DATABASES["default"]["OPTIONS"]["init_command"] += " PRAGMA synchronous=OFF;"
else:
    # A statement that does not end fails its test and is named.
    DATABASES["default"]["OPTIONS"] = options(seconds=10)
# Web processes that a test starts keep theirs, as those of an installation do.
DATABASES["default"]["CONN_MAX_AGE"] = None if "ZENPRO_TEST_KEEPS_CONNECTIONS" in os.environ else 0
