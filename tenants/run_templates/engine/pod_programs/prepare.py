"""Makes ready what a run needs, in its pod, before the run itself begins there.

    python -c <this> folder address builds version packages…

`folder` gets `environment`, whose interpreter sees what the image has and the packages, and `code`, fetched from
`address` with the ticket in ZENPRO_TICKET. `builds`: "" for packages that need not be built. The last line that it
prints when it fails says why.
"""

import os
import site
import subprocess
import sys
import tarfile
import tempfile
import venv

import requests  # comes with ZenML

MOST = 200 * 1024**2  # bytes of an archive of code
PIECE = 1024**2
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
SCRATCH = ("home", "config", "tmp", "stores", "code")


def main(folder, address, builds, version, *packages):
    for name in SCRATCH:
        os.makedirs(os.path.join(folder, name), mode=0o700, exist_ok=True)
    network = {name: os.environ.pop(name) for name in names_of_proxies() if name in os.environ}
    ticket = os.environ.pop("ZENPRO_TICKET", "")
    if address:
        fetch(address, ticket, os.path.join(folder, "code"))
    python = make_environment(os.path.join(folder, "environment"))
    if packages:
        install(python, builds, [f"zenml=={version}", *packages], {**os.environ, **network})


def names_of_proxies():
    """They lead to the package index. ZenPro is called directly, as by the run itself."""
    return [*PROXIES, *map(str.lower, PROXIES)]


# -- code


def fetch(address, ticket, place):
    with tempfile.TemporaryFile() as file:
        try:
            receive(address, ticket, file)
        except (requests.RequestException, OSError) as error:
            sys.exit(f"The code could not be fetched from ZenPro: {error}")
        file.seek(0)
        try:
            with tarfile.open(fileobj=file, mode="r:") as archive:
                archive.extractall(place, filter="data")
        except (tarfile.TarError, OSError) as error:
            sys.exit(f"The code could not be unpacked: {error}")


def receive(address, ticket, file):
    """No redirect gets the ticket, and half an archive is none."""
    headers = {"Authorization": "Bearer " + ticket, "Accept-Encoding": "identity"}
    with requests.get(
        address, headers=headers, stream=True, timeout=(10, 60), allow_redirects=False
    ) as answer:
        if answer.status_code != 200:
            sys.exit(f"The code could not be fetched from ZenPro: it answered {answer.status_code}.")
        for piece in answer.iter_content(PIECE):
            file.write(piece)
            if file.tell() > MOST:
                sys.exit("The code could not be fetched from ZenPro: it is too large.")
        if str(file.tell()) != answer.headers.get("Content-Length"):
            sys.exit("The code could not be fetched from ZenPro: it did not arrive whole.")


# -- packages


def make_environment(place):
    """An interpreter of its own that sees the packages of this one, also where this one belongs to an environment."""
    venv.EnvBuilder(symlinks=True).create(place)
    own = os.path.join(place, "lib", "python{}.{}".format(*sys.version_info), "site-packages")
    lines = [f"import site; site.addsitedir({path!r})" for path in site.getsitepackages()]
    with open(os.path.join(own, "image.pth"), "w") as file:
        file.write("\n".join(lines) + "\n")
    return os.path.join(place, "bin", "python")


def install(python, builds, packages, variables):
    if subprocess.run([python, "-c", "import pip"], check=False, capture_output=True).returncode:
        subprocess.run([python, "-m", "ensurepip"], check=True, stdout=subprocess.DEVNULL)
    command = [python, "-m", "pip", "install", "--no-input", "--no-cache-dir", "--disable-pip-version-check"]
    command += [] if builds else ["--only-binary", ":all:"]
    pip = subprocess.Popen(
        [*command, *packages], env=variables, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    reason = ""
    for line in pip.stdout:
        print(line, end="", flush=True)
        if line.startswith("ERROR:"):
            reason = line.removeprefix("ERROR:").strip()
    if pip.wait():
        sys.exit(f"The packages could not be installed: {reason or 'pip does not say why.'}")


if __name__ == "__main__":
    main(*sys.argv[1:])
