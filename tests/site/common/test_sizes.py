import pytest
from django.core.exceptions import ImproperlyConfigured

from zenpro_site.common.sizes import load_size, parse_size, size_words

G = 1024**3


@pytest.mark.parametrize(
    "text, size",
    [
        ("20G", 20 * G),
        ("0", 0),
        ("1.5 GiB", 3 * G // 2),
        ("500mb", 500 * 1024**2),
        ("1T", 1024 * G),
        ("12", 12),
    ],
)
def test_sizes_are_read(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "-1", "20 apples", "G", "1e9", "9" * 40, "20G\n5"])
def test_what_is_no_size_stops_the_start_with_a_hint(text):
    with pytest.raises(ImproperlyConfigured, match="ZENPRO_TENANT_DISK.*20G"):
        load_size(lambda name, default: text, "ZENPRO_TENANT_DISK", "20G")


@pytest.mark.parametrize(
    "size, words",
    [
        (0, "0 B"),
        (1536, "1.5 KB"),
        (20 * G, "20 GB"),
        (1.2 * G, "1.2 GB"),
        (1023 * G, "1 TB"),
        (300 * 1024**2, "300 MB"),
    ],
)
def test_sizes_are_told(size, words):
    assert size_words(int(size)).replace("\xa0", " ") == words
