"""Which part of a log the page shows: its end, the lines around one, what is looked for, what is grave."""

from uuid import uuid4

import pytest
from django.http import QueryDict

from tenants.runs.client import LogLine
from tenants.runs.step_logs import LINE_LENGTH, LOG_LENGTH, LogChoice, shown, window


def lines(count, every=10, level=40):
    """Line 10, 20 … are of another level."""
    return [LogLine(f"row {n}", level if n % every == 0 else 20, None) for n in range(1, count + 1)]


def look(log, **asked):
    query = QueryDict(mutable=True)
    query.update(asked)
    return window(log, LogChoice.of(query), uuid4())


def numbers(pane):
    return [line.number for line in pane.lines]


@pytest.mark.parametrize(
    "asked", [{"line": "x"}, {"line": "-1"}, {"line": "²"}, {"line": "9" * 4000}, {"level": "7"}]
)
def test_what_makes_no_sense_is_left_out(asked):
    assert look(lines(3), **asked).lines == look(lines(3)).lines


def test_a_long_log_shows_its_end_and_where_it_goes_on():
    pane = look(lines(50_000))
    assert (pane.first, pane.last, pane.total) == (49_501, 50_000, 50_000)
    assert (pane.earlier, pane.later) == (49_251, 0)
    before = look(lines(50_000), line="49251")
    assert (before.first, before.last, before.later) == (49_001, 49_500, 49_750)


def test_the_beginning_has_nothing_before_it():
    pane = look(lines(700), line="1")
    assert (pane.first, pane.last, pane.earlier, pane.later) == (1, 500, 0, 700)


def test_a_line_beyond_the_end_is_the_end():
    assert look(lines(600), line="999999999").last == 600


def test_every_line_is_reached_by_the_links():
    log, seen, pane = lines(1777), set(), None
    while pane is None or pane.earlier:
        pane = look(log, line=str(pane.earlier)) if pane else look(log)
        seen.update(numbers(pane))
    assert seen == set(range(1, 1778))


def test_hits_are_counted_and_lead_to_each_other():
    pane = look(lines(2000), q="ROW 77")
    assert (pane.hits, pane.hit, pane.previous_hit, pane.next_hit) == (11, 1, 779, 770)
    (current,) = [line for line in pane.lines if line.is_current]
    assert (current.number, current.parts) == (77, (("", False), ("row 77", True), ("", False)))
    pane = look(lines(2000), q="row 77", line="779")
    assert (pane.hit, pane.previous_hit, pane.next_hit) == (11, 778, 77)


def test_no_hits_leave_the_log_as_it_is():
    pane = look(lines(600), q="nowhere")
    assert (pane.hits, pane.hit, pane.last, pane.passing) == (0, 0, 600, 600)


def test_only_grave_lines_keep_their_numbers():
    pane = look(lines(100), level="error")
    assert numbers(pane) == list(range(10, 101, 10))
    assert (pane.passing, pane.total, pane.earlier) == (10, 100, 0)
    assert numbers(look(lines(100, level=30), level="error")) == []
    assert len(numbers(look(lines(100, level=30), level="warning"))) == 10
    assert look(lines(100), level="error", q="row 3").hits == 1


def test_what_is_looked_for_is_marked_and_all_else_is_text():
    pane = look([LogLine("<b>İ</b> & <b>x</b>", 20, None), LogLine("a <b> b <B>", 20, None)], q="<b>")
    assert [line.marked for line in pane.lines] == [
        "&lt;b&gt;İ&lt;/b&gt; &amp; &lt;b&gt;x&lt;/b&gt;",
        "a <mark>&lt;b&gt;</mark> b <mark>&lt;B&gt;</mark>",
    ]


def test_lines_of_a_megabyte_are_cut_and_still_few():
    pane = look([LogLine("\x1b[31mx" * 1_000_000, 20, None)] * 900)
    assert all(len(line.message) <= LINE_LENGTH + 1 for line in pane.lines)
    assert 1 <= len(pane.lines) and len(pane.text) <= LOG_LENGTH + 2 * LINE_LENGTH


@pytest.mark.parametrize(
    ("said", "seen"),
    [("\x1b[1;31mred\x1b[0m", "red"), ("a\u202eb", "ab"), ("a\tb\nc", "a\tb\nc"), ("x\x00\x07y", "xy")],
)
def test_no_line_says_something_else(said, seen):
    assert shown(said) == seen


def test_only_the_window_of_a_log_is_looked_at():
    class Log(list):
        def __init__(self, *args):
            super().__init__(*args)
            self.read = 0

        def __getitem__(self, place):
            self.read += 1
            return super().__getitem__(place)

    log = Log(lines(50_000))
    window(log, LogChoice())
    assert log.read == 500
