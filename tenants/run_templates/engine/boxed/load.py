"""Imports the steps of a run as a run does: `python -P load.py wanted answer`, with the Python of a template.

`wanted` is a file: {"steps": {name: {"module", "attribute"}}, "code": the folder of the code}. For each step a line is
added to `answer` as soon as it is known, {"step": name, "state": ...} with "imported"; with "missing" and in "name" the
module that was not found; with "gone" where the module has no such step; or with "error" and its "words". The last line
of the code itself that led there is in "file", "line" and "text". The code that is imported can write into that file as
well: it is believed by nobody but whoever brought the code.
"""

import importlib
import json
import linecache
import os
import sys
import traceback

LONGEST = 500  # characters of what is told


def outcome_of(module, code):
    """Of importing a module. Whatever it raises is caught: `sys.exit()` at its top says as much as an error."""
    try:
        importlib.import_module(module)
    except ModuleNotFoundError as error:
        return {"state": "missing", "name": str(error.name or "")[:LONGEST], **place_of(error, code)}
    except BaseException as error:  # noqa: BLE001 - the next step may be all right
        return {"state": "error", "words": words_of(error), **place_of(error, code)}
    return {"state": "imported"}


def words_of(error):
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 - an error of somebody else's making
        text = ""
    name = type(error).__name__
    return f"{name}: {text}"[:LONGEST] if text else name[:LONGEST]


def place_of(error, code):
    """The last line of the code itself on the way to an error; {} when there is none."""
    frames = [(frame.filename, frame.lineno) for frame in traceback.extract_tb(error.__traceback__)]
    if isinstance(error, SyntaxError):
        frames.append((error.filename, error.lineno))
    inside = [(file, line) for file, line in frames if file and line and is_below(file, code)]
    if not inside:
        return {}
    file, line = inside[-1]
    text = linecache.getline(file, line).strip()[:LONGEST]
    return {"file": os.path.relpath(file, code)[:LONGEST], "line": line, "text": text}


def is_below(file, folder):
    return os.path.abspath(file).startswith(os.path.join(folder, ""))


def has(module, attribute):
    found = sys.modules.get(module)
    for name in attribute.split("."):
        found = getattr(found, name, None)
    return found is not None


def load(wanted, answer):
    with open(wanted, encoding="utf-8") as file:
        wanted = json.load(file)
    sys.path.insert(0, os.getcwd())  # as `python -m` has it, by which runs are started
    known = {}
    with open(answer, "a", encoding="utf-8") as lines:
        for name, step in wanted["steps"].items():
            module, attribute = step["module"], step["attribute"]
            found = known[module] = known.get(module) or outcome_of(module, wanted["code"])
            if found["state"] == "imported" and not has(module, attribute):
                found = {"state": "gone"}
            lines.write(json.dumps({"step": name, **found}) + "\n")
            lines.flush()


if __name__ == "__main__":
    load(*sys.argv[1:])
