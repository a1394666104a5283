"""What benchmarks/moves.py counts, on a made-up package of two files."""

from types import ModuleType

import pytest

from benchmarks.moves import Forms, Travel

ONE = """
def alone(then=None):
    return then and then()

def both(other, through):
    alone()
    other.called()
    return through(other.called)

def back(other):
    return other.called(alone)

def failing(other):
    try:
        other.fails()
    except ValueError:
        return alone()
"""
OTHER = """
def called(then=None):
    return then and then()

def fails():
    raise ValueError
"""


@pytest.fixture
def files(tmp_path):
    """(one, other, the folder they seem to lie in)"""
    found = []
    for name, text in {"one": ONE, "other": OTHER}.items():
        module = ModuleType(name)
        exec(compile(text, str(tmp_path / f"{name}.py"), "exec"), vars(module))
        found.append(module)
    return *found, tmp_path


def counts(folder, function, *args) -> tuple:
    with Travel([folder]).watched() as travel:
        function(*args)
    return tuple(travel.counts.values())


def test_calls_inside_one_file_are_no_moves(files):
    one, _, folder = files
    assert counts(folder, one.alone) == (1, 1, 1, 0)


def test_calls_into_another_file_move_also_through_code_of_others(files):
    one, other, folder = files
    assert counts(folder, one.both, other, lambda then: then()) == (4, 3, 2, 2)


def test_the_way_back_is_no_move_but_a_call_back_is(files):
    one, other, folder = files
    assert counts(folder, one.back, other) == (3, 3, 2, 2)


def test_an_error_leaves_its_file(files):
    one, other, folder = files
    assert counts(folder, one.failing, other) == (3, 3, 2, 1)


def test_code_elsewhere_does_not_count(files):
    one, other, folder = files
    assert counts(folder / "deeper", one.back, other) == (0, 0, 0, 0)


def test_forms_give_what_a_browser_sends():
    page = """
    <input name="outside" value="1">
    <form><input name="name" value="Ada"><input type="checkbox" name="off"><input type="checkbox" name="on" checked>
      <input name="gone" disabled value="1"><input type="file" name="file"><button name="do" value="run">Run</button>
      <textarea name="text">\nfirst &amp; second</textarea>
      <select name="plain"><option value="a">A</option><option value="b">B</option></select>
      <select name="chosen"><option value="a">A</option><option value="b" selected>B</option></select></form>
    <form><input name="other" value="2"></form>"""
    assert Forms(page).found == [
        {"name": ["Ada"], "on": ["on"], "text": ["first & second"], "plain": ["a"], "chosen": ["b"]},
        {"other": ["2"]},
    ]
