"""The settings of an object storage: none, or what can work."""

import importlib.util
import io

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.files.storage import storages

from tests.s3 import BUCKET, KEYS, odd_server, running_s3
from zenpro_site.checkup.findings import Level
from zenpro_site.checkup.storage import check_storage
from zenpro_site.common import shared_files
from zenpro_site.common.shared_files import ALIAS, StorageFailed
from zenpro_site.env import Env
from zenpro_site.storage_settings import load_storage

LEAST = {"ZENPRO_STORAGE": "s3://my-bucket/zenpro"}


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    for name in (*KEYS, "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN"):
        monkeypatch.delenv(name, raising=False)
    shared_files.forget_silence()


def loaded(monkeypatch, **values):
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    return load_storage(Env())


def test_there_is_none_unless_it_is_set(monkeypatch):
    assert loaded(monkeypatch, ZENPRO_STORAGE_REGION="eu-central-1") == {}


def test_the_least_that_is_needed(monkeypatch):
    (place,) = loaded(monkeypatch, **LEAST).values()
    assert place["OPTIONS"] == {
        "bucket_name": "my-bucket",
        "location": "zenpro",
        "endpoint_url": None,
        "region_name": None,
        "object_parameters": {},
    }


def test_everything(monkeypatch, tmp_path):
    (tmp_path / "token").write_text("x")
    (place,) = loaded(
        monkeypatch,
        ZENPRO_STORAGE="s3://my.bucket/a/b_1/",
        ZENPRO_STORAGE_ENDPOINT="http://minio.lan:9000/",
        ZENPRO_STORAGE_REGION="eu-central-1",
        ZENPRO_STORAGE_ENCRYPTION="aws:kms",
        ZENPRO_STORAGE_KMS_KEY="arn:aws:kms:eu-central-1:1:key/2",
        AWS_WEB_IDENTITY_TOKEN_FILE=str(tmp_path / "token"),
        AWS_ROLE_ARN="arn:aws:iam::1:role/zenpro",
    ).values()
    assert place["OPTIONS"] == {
        "bucket_name": "my.bucket",
        "location": "a/b_1",
        "endpoint_url": "http://minio.lan:9000",
        "region_name": "eu-central-1",
        "object_parameters": {
            "ServerSideEncryption": "aws:kms",
            "SSEKMSKeyId": "arn:aws:kms:eu-central-1:1:key/2",
        },
    }


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"ZENPRO_STORAGE": "my-bucket"}, "ZENPRO_STORAGE is 'my-bucket'. Set it to a bucket and a prefix"),
        ({"ZENPRO_STORAGE": "gs://my-bucket"}, "Set it to a bucket and a prefix, such as s3://"),
        ({"ZENPRO_STORAGE": "s3://"}, "Set it to a bucket"),
        ({"ZENPRO_STORAGE": "s3://My_Bucket"}, "Set it to a bucket"),
        ({"ZENPRO_STORAGE": "s3://key:s3cret@my-bucket"}, "is 's3://…@my-bucket'"),
        ({"ZENPRO_STORAGE": "s3://my-bucket/a/../b"}, "has the prefix 'a/../b'"),
        ({"ZENPRO_STORAGE": "s3://my-bucket/a b"}, "Use letters, digits"),
        ({"ZENPRO_STORAGE_ENDPOINT": "minio:9000"}, "ZENPRO_STORAGE_ENDPOINT is 'minio:9000'"),
        ({"ZENPRO_STORAGE_ENDPOINT": "http://minio:9000/bucket"}, "without a path or a password"),
        ({"ZENPRO_STORAGE_REGION": "Frankfurt am Main"}, "Set it to a region"),
        ({"ZENPRO_STORAGE_ENCRYPTION": "rot13"}, "Set it to one of"),
        ({"ZENPRO_STORAGE_KMS_KEY": "key"}, "needs ZENPRO_STORAGE_ENCRYPTION=aws:kms."),
        ({"AWS_ACCESS_KEY_ID": "x"}, "AWS_ACCESS_KEY_ID is set and AWS_SECRET_ACCESS_KEY is not."),
        ({"AWS_ROLE_ARN": "x"}, "AWS_ROLE_ARN is set and AWS_WEB_IDENTITY_TOKEN_FILE is not."),
        ({"AWS_ROLE_ARN": "x", "AWS_WEB_IDENTITY_TOKEN_FILE": "/no/such"}, "'/no/such', which is not a file"),
    ],
)
def test_what_cannot_work_is_said(monkeypatch, values, words):
    with pytest.raises(ImproperlyConfigured) as refused:
        loaded(monkeypatch, **LEAST | values)
    assert words in str(refused.value) and "s3cret" not in str(refused.value)


def test_its_client_has_to_be_installed(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImproperlyConfigured, match=r"install zenpro\[s3\]"):
        loaded(monkeypatch, **LEAST)


# -- zenpro doctor


@pytest.fixture
def shared(settings, tmp_path):
    place = {"BACKEND": "tests.shared_folder.SharedFolder", "OPTIONS": {"location": str(tmp_path / "shared")}}
    settings.STORAGES = {**settings.STORAGES, ALIAS: place}
    return storages[ALIAS]


def test_doctor_without_a_storage():
    (found,) = check_storage()
    assert (found.level, "No object storage is set" in found.text) == (Level.OK, True)


def test_doctor_with_a_storage_that_works(shared):
    (found,) = check_storage()
    assert found.level is Level.OK
    assert [call for call, _ in shared.log] == [
        "put",
        "end_of",
        "end_of",
        "listed",
        "remove",
        "listed",
        "end_of",
        "put",
    ]
    assert shared.listed("probe") == {}


@pytest.mark.parametrize(
    ("call", "words"),
    [
        ("put", "Writing a file fails: the object storage does not allow it."),
        ("end_of", "Reading it fails:"),
        ("listed", "Listing it fails:"),
        ("remove", "Removing it fails:"),
    ],
)
def test_doctor_names_what_fails(shared, monkeypatch, call, words):
    def fail(*_):
        raise StorageFailed("the object storage does not allow it.")

    monkeypatch.setattr(shared, call, fail)
    (found,) = check_storage()
    assert found.level is Level.PROBLEM
    assert found.text.startswith(f"The object storage can't be used: {words}")
    assert "ZENPRO_STORAGE_ENDPOINT" in found.remedy


@pytest.mark.parametrize(
    ("call", "answer", "words"),
    [
        ("end_of", lambda name, most, seconds: b"old", "Reading it gives something else than was written."),
        ("listed", lambda folder: {}, "Listing it gives something else"),
        ("remove", lambda name: None, "Removing it gives something else"),
    ],
)
def test_doctor_is_not_told_stories(shared, monkeypatch, call, answer, words):
    monkeypatch.setattr(shared, call, answer)
    (found,) = check_storage()
    assert words in found.text


def test_doctor_tells_of_another_installation(shared, settings):
    assert check_storage()[0].level is Level.OK
    settings.SECRET_KEY = "another" * 10
    (found,) = check_storage()
    assert (found.level, "another installation stores its files there" in found.text) == (Level.PROBLEM, True)


@pytest.mark.parametrize(
    "host, levels", [("minio.lan", [Level.OK, Level.WARNING]), ("127.0.0.1", [Level.OK])]
)
def test_doctor_warns_of_an_address_without_tls(shared, settings, monkeypatch, host, levels):
    monkeypatch.setitem(settings.STORAGES[ALIAS]["OPTIONS"], "endpoint_url", f"http://{host}:9000")
    assert [found.level for found in check_storage()] == levels


def test_from_variables_to_a_real_bucket(monkeypatch, settings, tmp_path):
    with running_s3(tmp_path) as url:
        address = {"ZENPRO_STORAGE": f"s3://{BUCKET}/here", "ZENPRO_STORAGE_ENDPOINT": url}
        settings.STORAGES = {**settings.STORAGES, **loaded(monkeypatch, **address, **KEYS)}
        assert [found.level for found in check_storage()] == [Level.OK]
        shared_files.put("x", io.BytesIO(b"x"))
        found = storages[ALIAS].asking.list_objects_v2(Bucket=BUCKET)["Contents"]
        assert [entry["Key"] for entry in found] == ["here/installation", "here/x"]


def test_doctor_finds_nobody_there(monkeypatch, settings):
    with odd_server(b"") as url:
        address = {"ZENPRO_STORAGE": "s3://my-bucket", "ZENPRO_STORAGE_ENDPOINT": url}
        settings.STORAGES = {**settings.STORAGES, **loaded(monkeypatch, **address, **KEYS)}
        (found,) = check_storage()
    assert "Writing a file fails: the object storage does not answer." in found.text
