"""Which package has a module that was not found, and requirements with one more package."""

import re
from collections.abc import Iterable, Sequence

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from .requirements import RequirementsRefused, lines_of, parsed

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


def package_of(module: str, recorded: Sequence[str] = ()) -> str:
    """A requirement for a module that was not found; "" for what can be no package.

    `recorded`: "name==version" of what was installed where the run came from, which tells the version.
    """
    if len(module) > LONGEST or not MODULE.fullmatch(module):
        return ""
    lower = module.lower()
    known = next((OTHERWISE[name] for name in (lower, lower.partition(".")[0]) if name in OTHERWISE), None)
    name = canonicalize_name(known or module.partition(".")[0])
    return next((line for line in pinned(recorded) if line.partition("==")[0] == name), name)


def pinned(recorded: Iterable[str]) -> list[str]:
    """Those lines of a run's list that can be requirements, in their normal form, each package once."""
    found: dict[str, str] = {}
    for line in recorded:
        try:
            normal = parsed(line)
        except RequirementsRefused:
            continue
        for one in normal:
            found.setdefault(Requirement(one).name, one)
    return [*found.values()]


def with_package(requirements: str, package: str) -> str:
    """One more line, unless that package is there already. Raises RequirementsRefused for what is no package."""
    (wanted,) = parsed(package) or [""]
    names = {
        canonicalize_name(re.split(r"[^\w.-]", line, maxsplit=1)[0]) for _, line in lines_of(requirements)
    }
    if not wanted or Requirement(wanted).name in names:
        return requirements
    return "\n".join(filter(None, [requirements.rstrip(), wanted]))
