"""Metadata of all kinds as a page shows them, whatever a server sends."""

import pytest

from tenants.runs.metadata import ENTRIES, LENGTH, MetadataReader, logged


def read(metadata):
    return MetadataReader().read(metadata)


def one(value):
    return read({"x": value})[0]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a text", "a text"),
        (True, "true"),
        (None, "empty"),
        (3, "3"),
        (0.25, "0.25"),
        (10**400, str(10**400)),
        ([1, "b", False], "1, b, false"),
        ([], "empty"),
        ({}, "empty"),
        ("a\u202eb", "ab"),
    ],
)
def test_a_value_is_shown_as_people_write_it(value, text):
    assert one(value).text == text


def test_nested_values_keep_their_names():
    deep = one({"a": {"b": [1, {"c": 1.5}]}})
    assert deep.inner[0].inner[0].inner[1].inner[0].text == "1.5"


def test_what_is_nested_deeper_than_a_page_shows_is_json():
    value = {"k": 1}
    for _ in range(90):
        value = {"k": value}
    found = one(value)
    while found.inner:
        found = found.inner[0]
    assert found.text.startswith('{"k": {"k"')


@pytest.mark.parametrize("address", ["https://example.org/a?b=c#d", "HTTP://example.org"])
def test_addresses_of_pages_are_links(address):
    assert one(address).link == address


@pytest.mark.parametrize(
    "address",
    [
        "javascript:alert(1)",
        "https://",
        "https:///path",
        "https://exa mple.org",
        'https://x.org/"onclick="a',
        "https://[",
        "gs://bucket/file",
        "file:///etc/passwd",
        "data:text/html,x",
        "//example.org",
        " https://example.org",
        "see https://example.org",
        "https://ex\u202eample.org",
        "https://example.org/\n",
        "https://" + "a" * 6000,
    ],
)
def test_nothing_else_is_a_link(address):
    assert one(address).link == ""


def test_long_values_are_folded_and_cut():
    found = one("word " * 2_000_000)
    assert found.beginning.endswith("…")
    assert len(found.text) == 5001


def test_many_values_are_counted():
    reader = MetadataReader()
    assert len(reader.read({str(n): n for n in range(10_000)})) == ENTRIES
    assert reader.unseen == 10_000 - ENTRIES


def test_nested_values_share_the_room_of_the_page():
    found = logged([("", {"a": {str(n): {"x": n} for n in range(10_000)}}), ("train", {"b": 1})])
    assert len(found.groups[0][1][0].inner) <= ENTRIES
    assert found.groups[0][1][0].inner[-1].text.endswith(" more")
    assert found.unseen == 1


def test_long_values_share_the_room_of_the_page():
    found = read({str(n): "x" * 4000 for n in range(400)})
    assert sum(len(entry.text) for entry in found) < LENGTH + 5000


@pytest.mark.parametrize("metadata", [None, [], "x", 7])
def test_what_is_no_object_has_no_entries(metadata):
    assert read(metadata) == []
