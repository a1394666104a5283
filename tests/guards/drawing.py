"""The drawing of the rooms in docs/architecture.md, made from the imports of the code.

    .venv/bin/python -m tests.guards.drawing

writes it between the two marker lines of the page. An arrow goes from a room to one that it imports, unless that
follows from other arrows: whoever may enter a room may enter what that one stands on.
"""

import textwrap

from .imports import imports_of, is_package, room_of
from .test_rooms import ROOMS
from .walk import ROOT, modules

PAGE = ROOT / "docs" / "architecture.md"
COMMAND = ".venv/bin/python -m tests.guards.drawing"
BEGIN, END = f"<!-- Made by {COMMAND} -->", "<!-- End of the drawing -->"
WIDTH = 26  # letters on a line of a box

Graph = dict[str, set[str]]


def imported() -> Graph:
    """Room -> the rooms it imports, in the order of the rooms."""
    found: Graph = {room: set() for room in ROOMS}
    for name in modules():
        room = room_of(name, ROOMS)
        found.get(room, set()).update(room_of(other, ROOMS) for other in imports_of(name))
    return {room: others - {room, ""} for room, others in found.items()}


def below(graph: Graph, room: str) -> set[str]:
    """All that a room stands on, directly or not."""
    return graph[room].union(*(below(graph, other) for other in graph[room]))


def without_shortcuts(graph: Graph) -> Graph:
    """The arrows that follow from no others."""
    deeper = {room: set().union(*(below(graph, other) for other in graph[room])) for room in graph}
    return {room: graph[room] - deeper[room] for room in graph}


def inside(room: str) -> list[str]:
    """Packages of a room that are no rooms of their own; of Django's commands only the folder counts."""
    parts = {
        name.removeprefix(f"{room}.").split(".")[0]
        for name in modules()
        if is_package(name) and room_of(name, ROOMS) == room != name
    }
    return sorted(parts)


def label(room: str) -> str:
    lines = [room.replace(".", "/"), *textwrap.wrap(", ".join(inside(room)), WIDTH)]
    return "<br>".join(lines)


def drawing() -> str:
    """The drawing in Mermaid's language, the highest room first."""
    upwards = ROOMS[::-1]
    arrows = without_shortcuts(imported())
    boxes = [f'  {key(room)}["{label(room)}"]' for room in upwards]
    lines = [
        f"  {key(room)} --> {key(other)}" for room in upwards for other in upwards if other in arrows[room]
    ]
    return "\n".join(["```mermaid", "flowchart TD", *boxes, *lines, "```"])


def key(room: str) -> str:
    return room.replace(".", "_")


def renewed(page: str) -> str:
    """The page with today's drawing."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{drawing()}\n{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(renewed(PAGE.read_text()))
