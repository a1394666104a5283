"""Visualizations as a page shows them: their type is a claim of whoever wrote them."""

import base64
import json

import pytest

from tenants.runs.visualizations import ROWS, TEXT_LENGTH, picture_type, visualization_of

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"\x00" * 20).decode()
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'


def shown(kind, value):
    return visualization_of({"type": kind, "value": value})


@pytest.mark.parametrize(
    ("data", "media_type"),
    [
        (b"\x89PNG\r\n\x1a\n...", "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"GIF89a", "image/gif"),
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "image/webp"),
        (b"RIFF\x00\x00\x00\x00WAVE", ""),
        (SVG, ""),
        (b"<html>", ""),
        (b"", ""),
        (b" \x89PNG\r\n\x1a\n", ""),
    ],
)
def test_a_picture_is_known_by_its_bytes(data, media_type):
    assert picture_type(data) == media_type


@pytest.mark.parametrize(
    "value",
    [base64.b64encode(SVG).decode(), base64.b64encode(b"<html>").decode(), "<html>", "", "ü", "=" * 9],
)
def test_what_is_no_picture_is_a_sentence(value):
    found = shown("image", value)
    assert not found.picture
    assert found.fault.startswith("This is not a picture")


def test_a_picture_keeps_its_bytes():
    assert shown("image", PNG).media_type == "image/png"
    assert shown("image", PNG).picture == base64.b64decode(PNG)


def test_a_table_has_its_first_rows_and_columns():
    lines = [",".join(f"c{n}" for n in range(30)), *(",".join(["1"] * 30) for _ in range(400))]
    table = shown("csv", "\n".join(lines)).table
    assert (len(table.head), len(table.rows)) == (20, ROWS)
    assert (table.more_rows, table.more_columns) == (350, 10)


def test_a_table_of_uneven_rows_is_even():
    table = shown("csv", 'a,b\n1\n"x\ny",2,3\n').table
    assert [len(row) for row in [table.head, *table.rows]] == [3, 3, 3]
    assert table.rows[1][0] == "x\ny"


def test_a_table_without_end_is_counted_no_further():
    assert shown("csv", "a\n" * 1_000_000).table.many


@pytest.mark.parametrize("value", ["", "\n\n", "\x00"])
def test_an_empty_table_says_so(value):
    assert shown("csv", value).fault == "This table is empty."


def test_a_cell_of_megabytes_is_cut_or_text():
    assert len(shown("csv", "a\n" + "x" * 100_000).table.rows[0][0]) == 201
    assert shown("csv", "a\n" + "x" * 5_000_000).cut > 0


def test_json_is_indented():
    assert shown("json", '{"a": [1]}').text == '{\n  "a": [\n    1\n  ]\n}'


@pytest.mark.parametrize("value", ["{", "nope", "[" * 100_000, "1" * 10_000])
def test_json_that_is_none_is_shown_as_it_came(value):
    assert shown("json", value).text == value[:TEXT_LENGTH]


def test_json_of_many_levels_takes_no_memory():
    deep = "[" * 900 + ",".join("1" * 100_000) + "]" * 900
    found = shown("json", deep)
    assert len(found.text) <= TEXT_LENGTH
    assert found.cut


def test_long_text_is_cut():
    found = shown("markdown", "x" * 5_000_000)
    assert (len(found.text), found.cut) == (TEXT_LENGTH, 4_900_000)


@pytest.mark.parametrize(
    "answer",
    [None, [], "x", {}, {"type": "html"}, {"type": "html", "value": 7}, {"type": "svg", "value": "x"},
     {"type": ["html"], "value": "x"}, {"type": "image", "value": {"a": 1}}],
)  # fmt: skip
def test_an_answer_that_is_none_is_a_sentence(answer):
    assert visualization_of(answer).fault == "This kind of visualization can't be shown here."


def test_nothing_turns_the_direction_of_a_text():
    assert "\u202e" not in shown("markdown", "a\u202eb").text
    assert "\u202e" not in shown("json", json.dumps("a\u202eb", ensure_ascii=False)).text
