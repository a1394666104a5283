"""Which package has a module that was not found, and requirements with one more package."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from .requirements import MAX_LINES, RequirementsRefused, lines_of, parsed

# Modules that are called otherwise than the package which has them, as PyPI has them.
OTHERWISE = {
    "attr": "attrs",
    "bs4": "beautifulsoup4",
    "cv2": "opencv-python-headless",
    "dateutil": "python-dateutil",
    "dotenv": "python-dotenv",
    "fitz": "pymupdf",
    "git": "gitpython",
    "google.cloud.bigquery": "google-cloud-bigquery",
    "google.cloud.storage": "google-cloud-storage",
    "igraph": "python-igraph",
    "imblearn": "imbalanced-learn",
    "jose": "python-jose",
    "jwt": "pyjwt",
    "lightning_fabric": "lightning",
    "magic": "python-magic",
    "mpl_toolkits": "matplotlib",
    "mysqldb": "mysqlclient",
    "openssl": "pyopenssl",
    "osgeo": "gdal",
    "pil": "pillow",
    "pkg_resources": "setuptools",
    "psycopg2": "psycopg2-binary",
    "pytorch_lightning": "pytorch-lightning",
    "serial": "pyserial",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "snowflake": "snowflake-connector-python",
    "umap": "umap-learn",
    "wx": "wxpython",
    "yaml": "pyyaml",
    "zmq": "pyzmq",
}
MODULE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*")
LONGEST = 100
MOST_TEXT = 20_000  # characters of all requirements
OWN, STACK = "run", "stack"  # keys of the lists that the run recorded, and that its stack needs


def package_of(module: str, recorded: Sequence[str] = ()) -> str:
    """A requirement for a module that was not found; "" for what can be no package.

    `recorded`: "name==version" of what was installed where the run came from, which tells the version.
    """
    if len(module) > LONGEST or not MODULE.fullmatch(module):
        return ""
    lower = module.lower()
    known = next((OTHERWISE[name] for name in (lower, lower.partition(".")[0]) if name in OTHERWISE), None)
    name = canonicalize_name(known or module.partition(".")[0])
    return next((line for line in takable(recorded) if line.partition("==")[0] == name), name)


def takable(lines: Iterable[str]) -> list[str]:
    """Those lines that can be requirements of a template, in their normal form, each package once; not ZenML itself."""
    found: dict[str, str] = {}
    for line in lines:
        try:
            normal = parsed(line)
        except RequirementsRefused:
            continue
        for one in normal:
            found.setdefault(Requirement(one).name, one)
    found.pop("zenml", None)
    return [*found.values()]


def together(lines: Iterable[str]) -> list[str]:
    """As `takable`, but what is asked of one package several times is asked in one line."""
    found: dict[tuple[str, str], Requirement] = {}
    for line in lines:
        for one in map(Requirement, takable([line])):
            known = found.setdefault((one.name, str(one.marker or "")), one)
            known.specifier &= one.specifier
            known.extras |= one.extras
    return [line for one in found.values() for line in parsed(str(one))]


def with_package(requirements: str, package: str) -> str:
    """One more line, unless that package is there already. Raises RequirementsRefused for what is no package."""
    return with_packages(requirements, parsed(package))


def with_packages(requirements: str, wanted: Iterable[str]) -> str:
    """These lines too, without those of packages that are there already: a version that someone chose stays."""
    there = {
        canonicalize_name(re.split(r"[^\w.-]", line, maxsplit=1)[0]) for _, line in lines_of(requirements)
    }
    missing = [line for line in wanted if Requirement(line).name not in there]
    return "\n".join(filter(None, [requirements.rstrip(), *missing])) if missing else requirements


@dataclass(frozen=True)
class PackageList:
    """Packages that someone may take for a template. `key` names it in a form, `origin` for people.

    One that `adds` leaves what is there; `command` lists in a terminal what is not known here, "" for nothing.
    """

    key: str
    origin: str
    lines: list[str]
    adds: bool = False
    command: str = ""

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    @property
    def verb(self) -> str:
        return "Add" if self.adds else "Use"

    @property
    def is_too_long(self) -> bool:
        return len(self.lines) > MAX_LINES or len(self.text) > MOST_TEXT

    @property
    def is_worth_showing(self) -> bool:
        return bool(self.lines or self.command) and not self.is_too_long


def of_stack(integrations: Sequence[str], lines: list[str], unread: Sequence[str]) -> PackageList:
    """What the components of the run's stack need. `unread`: integrations whose packages are not known here."""
    command = f"zenml integration export-requirements {' '.join(unread)}" if unread else ""
    return PackageList(STACK, f"The stack: {', '.join(integrations)}", lines, adds=True, command=command)


def proposals(
    recorded: Iterable[str], declared: Mapping[str, list[str]], stack: PackageList | None = None
) -> list[PackageList]:
    """Of the run's own list, of the files of its code and of its stack: the shortest lists, which say what was meant,
    first."""
    files = [PackageList(f"file:{path}", f"{path} in the code", lines) for path, lines in declared.items()]
    own = PackageList(OWN, "The packages installed where the run came from", takable(recorded))
    return [one for one in [*files, *([stack] if stack else []), own] if one.is_worth_showing]


def filled(found: Iterable[PackageList], key: str, otherwise: str) -> str:
    """The text after the proposal was taken: in place of what was there, or beside it."""
    taken = next((one for one in found if one.key == key), None)
    if taken is None:
        return otherwise
    return with_packages(otherwise, taken.lines) if taken.adds else taken.text
