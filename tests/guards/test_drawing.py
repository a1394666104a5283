"""docs/architecture.md shows the rooms as they are, and names only files that are there."""

import re

import pytest

from .drawing import COMMAND, PAGE, below, drawing, imported, renewed, without_shortcuts
from .test_rooms import ROOMS
from .walk import ROOT

PATH = re.compile(r"(new )?`((?:[\w.-]+/)+[\w.-]*)`")


def page() -> str:
    return PAGE.read_text()


def test_the_drawing_is_what_the_code_gives():
    assert page() == renewed(page()), f"The rooms have changed. Draw them again: {COMMAND}"


def test_the_page_has_a_place_for_the_drawing():
    assert page().count(drawing()) == 1


def test_arrows_that_follow_from_others_are_left_out():
    graph = {"top": {"middle", "floor"}, "middle": {"floor"}, "beside": {"floor"}, "floor": set()}
    drawn = {"top": {"middle"}, "middle": {"floor"}, "beside": {"floor"}, "floor": set()}
    assert without_shortcuts(graph) == drawn


def test_nothing_is_lost_by_leaving_out_arrows():
    graph = imported()
    drawn = without_shortcuts(graph)
    assert {room: below(drawn, room) for room in ROOMS} == {room: below(graph, room) for room in ROOMS}


@pytest.mark.parametrize("room", ROOMS)
def test_every_room_is_described_in_its_place(room):
    rows = re.findall(r"^\| `([\w/]+)` \|", page().partition("## The three jobs")[0], re.MULTILINE)
    assert rows.index(room.replace(".", "/")) == ROOMS.index(room)


def test_the_files_of_the_three_jobs_are_there():
    """What is to be made is called new, and is not there yet: who makes it rewrites the job."""
    named = PATH.findall(page())
    assert len(named) > 30
    wrong = [path for new, path in named if (ROOT / path).exists() == bool(new)]
    assert wrong == []
