"""Looks at code without running it: `python -I -S look.py code wanted`. Where do the steps of a run come from, and are
they what they were?

`wanted` is a file: {"steps": {name: {"module", "attribute", "hash"}}, "roots": [folder, …] or null}. The answer:
{"roots": the folders that modules are imported from, those with the most first,
 "choices": all folders that have at least one of the modules,
 "folders": folders that relative paths in the code begin at, with how many there are, the best first,
 "steps": {name: {"file", "line", "state", and "digest", of its source, where it is there}},
 "files": how many, "bytes": how large,
 "declared": {file: the packages it names, as requirements}}.
A state is "same", "edited", "unknown" where the run recorded no hash, "gone" for a file without the step, or "missing".
"""

import ast
import hashlib
import inspect
import json
import os
import sys
import tomllib
import warnings
from collections import Counter

sys.path.insert(0, os.path.dirname(__file__))

from written import say

LATER = {"join": 1, "joinpath": 0, "with_name": 0}  # calls, and from which argument on they continue a path
LARGEST = 1024**2  # bytes of a Python file that is read
MOST_READ = 20 * 1024**2  # bytes of all of them
LARGEST_LIST = 4 * 1024**2  # bytes of a file that names packages: locks are long
MOST_PACKAGES, LONGEST_LINE = 1000, 300
ENDING = ".py"
LONGEST_LITERAL = 200  # characters of a text that may be a path


class Tree:
    """The files of the code by their relative paths, and the folders."""

    def __init__(self, top):
        self.top, self.files, self.bytes = top, {}, 0
        for folder, inner, names in os.walk(top):
            inner.sort()
            here = os.path.relpath(folder, top).replace(os.sep, "/")
            for name in sorted(names):
                self._add("" if here == "." else f"{here}/", name)
        self.folders = {""} | {path[:at] for path in self.files for at in slashes(path)}

    def _add(self, here, name):
        path = here + name
        size = os.stat(os.path.join(self.top, path)).st_size if self.is_file(path) else 0
        self.files[path] = size
        self.bytes += size

    def is_file(self, path):
        return os.path.isfile(os.path.join(self.top, path))

    def text(self, path):
        """Of a Python file; "" when it is too large or no text."""
        if self.files[path] > LARGEST:
            return ""
        with open(os.path.join(self.top, path), "rb") as file:
            return file.read().decode(errors="replace")


def slashes(path):
    return [at for at, sign in enumerate(path) if sign == "/"]


# -- where modules are imported from


def file_of(tree, root, module):
    """Path of a module that is imported from a root, or ""."""
    stem = "/".join(filter(None, [root, *module.split(".")]))
    return next((path for path in (f"{stem}.py", f"{stem}/__init__.py") if path in tree.files), "")


def roots_of(tree, module):
    """All folders from which a module of this name can be imported."""
    ends = [module.replace(".", "/") + end for end in (".py", "/__init__.py")]
    found = (path[: -len(end)] for path in tree.files for end in ends if ends_with(path, end))
    return {root.rstrip("/") for root in found}


def ends_with(path, end):
    return path == end or path.endswith(f"/{end}")


def chosen_roots(found):
    """As few folders as have all modules that are there; the upper ones where several do equally well."""
    left, chosen = {module: roots for module, roots in found.items() if roots}, []
    while left:
        counts = Counter(root for roots in left.values() for root in roots)
        best = min(counts, key=lambda root: (-counts[root], root.count("/") if root else -1, root))
        chosen.append(best)
        left = {module: roots for module, roots in left.items() if best not in roots}
    return chosen


# -- what has become of a step


def state_of(tree, roots, step):
    path = next(filter(None, (file_of(tree, root, step["module"]) for root in roots)), "")
    if not path:
        return {"file": "", "line": 0, "state": "missing"}
    lines = tree.text(path).splitlines(keepends=True)
    line = line_of("".join(lines), step["attribute"])
    if not line:
        return {"file": path, "line": 0, "state": "gone"}
    source = "".join(inspect.getblock(lines[line - 1 :]))
    digest = hashlib.sha256(source.encode()).hexdigest()
    return {"file": path, "line": line, "state": compared(source, step.get("hash")), "digest": digest}


def line_of(text, attribute):
    """The first line of a function or class, its decorators included; 0 when there is none of that name."""
    nodes = parsed(text)
    line = 0
    for name in attribute.split("."):
        named = [node for node in nodes if getattr(node, "name", None) == name]
        if not named:
            return 0
        nodes = named[-1].body  # the last one counts, as when the file is run
        line = min([named[-1].lineno, *(each.lineno for each in named[-1].decorator_list)])
    return line


def parsed(text):
    """Functions and classes of a module; [] for what is no Python."""
    try:
        return [*definitions(ast.parse(text).body)]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []


def definitions(statements):
    """Those of a module, also below its conditions, which do not make them another's."""
    for node in statements:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield node
        elif isinstance(node, (ast.If, ast.Try, ast.With, ast.ExceptHandler)):
            for part in ("body", "handlers", "orelse", "finalbody"):
                yield from definitions(getattr(node, part, []))


def compared(source, recorded):
    """With the hash that ZenML records."""
    if not recorded:
        return "unknown"
    hashes = {hashlib.sha256(form.encode()).hexdigest() for form in forms(source)}
    return "same" if recorded in hashes else "edited"


def forms(source):
    """What ZenML makes the hash of: the lines that Python takes for the source of a step; in newer versions moved to
    the left margin and without the decorator, whatever its name is there, but only if there is one."""
    yield source
    lines = source.split("\n")
    indent = len(lines[0]) - len(lines[0].lstrip())
    lines = [line[indent:] if len(line) >= indent else line for line in lines]
    for node in parsed("\n".join(lines))[:1]:
        for mark in node.decorator_list:
            yield "\n".join(lines[: mark.lineno - 1] + lines[mark.end_lineno :])


# -- where relative paths begin


def folders_of(tree):
    """Folder -> how many texts in the code name a file below it: where programs are started that read these files."""
    texts = {text for path in readable(tree) for text in literals(tree.text(path))}
    found = Counter()
    for text in texts:
        path = os.path.normpath(text)
        names = [each for each in tree.files if ends_with(each, path)]
        found.update({each[: -len(path)].rstrip("/") for each in names})
    return sorted(found.items(), key=lambda each: (-each[1], each[0].count("/"), each[0]))


def readable(tree):
    read = 0
    for path, size in tree.files.items():
        if path.endswith(ENDING) and read + size <= MOST_READ:
            read += size
            yield path


def literals(text):
    """Texts in a file that look like relative paths."""
    try:
        nodes = [*ast.walk(ast.parse(text))]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return set()
    later = {id(part) for node in nodes for part in later_parts(node)}
    texts = [node.value for node in nodes if isinstance(node, ast.Constant) and id(node) not in later]
    return {each for each in texts if isinstance(each, str) and looks_like_a_path(each)}


def later_parts(node):
    """What is put behind another path: `folder / "data.csv"`, `os.path.join(folder, "data.csv")`."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
        return [node.right]
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        return node.args[LATER.get(node.func.attr, len(node.args)) :]
    return []


def looks_like_a_path(text):
    name = text.rpartition("/")[2]
    return (
        len(text) <= LONGEST_LITERAL
        and "." in name.strip(".")
        and not text.startswith("/")
        and text.isprintable()
    )


# -- packages that the code says it needs


def declared_of(tree):
    """Of each kind of file the one nearest to the top; {} where nothing can be read."""
    found = {}
    for name, reader in READERS.items():
        paths = [path for path in tree.files if path == name or path.endswith(f"/{name}")]
        path = min(paths, key=lambda each: (each.count("/"), each), default="")
        if path and tree.is_file(path) and tree.files[path] <= LARGEST_LIST:
            found[path] = [*reader(tree, path)][:MOST_PACKAGES]
    return {path: lines for path, lines in found.items() if lines}


def content_of(tree, path):
    with open(os.path.join(tree.top, path), "rb") as file:
        return file.read().decode("utf-8-sig", errors="replace")


def in_requirements(tree, path):
    """Its own lines: other files that it names, options and paths are none of them."""
    for line in content_of(tree, path).splitlines():
        text = line.partition(" #")[0].partition(" --")[0].strip(" \t\\")
        if text and text[0] not in "#-" and len(text) <= LONGEST_LINE:
            yield text


def in_project(tree, path):
    """PEP 621."""
    listed = mapping(mapping(toml_of(tree, path)).get("project")).get("dependencies")
    lines = listed if isinstance(listed, list) else []
    yield from (line for line in lines if isinstance(line, str) and len(line) <= LONGEST_LINE)


def in_lock(tree, path):
    """What uv locked from an index, where there is a file of it for this system."""
    listed = mapping(toml_of(tree, path)).get("package")
    for one in listed if isinstance(listed, list) else []:
        named, version = mapping(one).get("name"), mapping(one).get("version")
        is_text = isinstance(named, str) and isinstance(version, str)
        if is_text and "registry" in mapping(mapping(one).get("source")) and fits(mapping(one).get("wheels")):
            yield f"{named}=={version}"[:LONGEST_LINE]


def fits(wheels):
    urls = [str(mapping(each).get("url")) for each in wheels] if isinstance(wheels, list) else []
    return not urls or any(url.endswith("any.whl") or "linux" in url for url in urls)


def toml_of(tree, path):
    try:
        return tomllib.loads(content_of(tree, path))
    except (ValueError, RecursionError, MemoryError):
        return {}


def mapping(value):
    return value if isinstance(value, dict) else {}


READERS = {"requirements.txt": in_requirements, "pyproject.toml": in_project, "uv.lock": in_lock}


def answer_to(code, wanted, *limits):
    warnings.simplefilter("ignore")
    with open(wanted, encoding="utf-8") as file:
        wanted = json.load(file)
    tree = Tree(code)
    found = {step["module"]: roots_of(tree, step["module"]) for step in wanted["steps"].values()}
    roots = wanted["roots"] or chosen_roots(found) or [""]
    return {
        "roots": roots,
        "choices": sorted(set().union(*found.values())),
        "folders": folders_of(tree),
        "steps": {name: state_of(tree, roots, step) for name, step in wanted["steps"].items()},
        "files": len(tree.files),
        "bytes": tree.bytes,
        "declared": declared_of(tree),
    }


if __name__ == "__main__":
    say(answer_to)
