import os
import sys
import time
from pathlib import Path
from uuid import uuid4

import pytest

from tenants.hosting.local.backend import LocalBackend
from tenants.hosting.local.spec import LocalSpec
from tests.tenants.hosting.stub_control_plane import SECRET, ControlPlane, free_port

VERSION = "0.98.0"


def eventually(condition, seconds=600, every=0.25):
    """Seconds until the condition held; fails when it does not in time."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds, "did not happen in time"
        time.sleep(every)
    return time.monotonic() - began


def bury(place: Path, levels: int = 1500, name: str = "x" * 100) -> int:
    """Descriptor of a folder so far below a place, which is made, that no path leads there."""
    place.mkdir(parents=True, exist_ok=True)
    here = os.open(place, os.O_DIRECTORY)
    for _ in range(levels):
        os.mkdir(name, dir_fd=here)
        inner = os.open(name, os.O_DIRECTORY, dir_fd=here)
        os.close(here)
        here = inner
    return here


def opened_below(place: Path) -> list[str]:
    """Our descriptors that lead below a place; those of others, as of a connection that ends, come and go."""
    found = []
    for number in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{number}")
        except FileNotFoundError:
            continue
        except OSError:  # longer than any path
            target = str(place)
        found += [target] if Path(target).is_relative_to(place) else []
    return found


def make_spec(data: Path, plane_url="http://127.0.0.1:1", **changes) -> LocalSpec:
    tenant = changes.pop("tenant_id", None) or uuid4()
    port = changes.pop("port", None) or free_port()
    values = {
        "tenant_id": tenant,
        "workspace_name": "forecast",
        "version": VERSION,
        "port": port,
        "server_url": f"http://127.0.0.1:{port}",
        "api_url": f"{plane_url}/api",
        "dashboard_url": plane_url,
        "organization_id": uuid4(),
        "organization_name": 'Acme "100 %" AI; #1',
        "oauth_secret": SECRET,
        "jwt_secret": "j" * 40,
        "encryption_key": "e" * 40,
        "folder": data / "tenants" / str(tenant),
        "local_stores": data / "tenants" / str(tenant) / "stores",
    }
    return LocalSpec(**(values | changes))


@pytest.fixture(scope="session")
def control_plane():
    plane = ControlPlane()
    yield plane
    plane.close()


def backend(data: Path) -> LocalBackend:
    return LocalBackend(data, (20000, 20100), python=sys.executable)
