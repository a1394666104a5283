"""What tests of runs in a cluster begin with: an order, and a place."""

from pathlib import Path
from uuid import UUID

from tenants.hosting.local.index import PackageIndex
from tenants.run_templates.engine.base import Order
from tenants.run_templates.engine.pod_objects import name_of
from tenants.run_templates.engine.pod_place import PodPlace

RUN_ID = UUID("0b6a4d6e-53c5-4e51-8f2e-6d0f6f1f3a11")
TENANT_ID = UUID("467386c2-20f3-4649-a0de-a4f04ba99318")
NAME = name_of(RUN_ID)
TOKEN, TICKET = "a-token-of-the-run", "a-ticket"
IMAGE = "zenmldocker/zenml:0.98.0"

ORDER = Order(
    run_id=RUN_ID,
    zenml_run_id=UUID(int=1),
    snapshot_id=UUID(int=2),
    python=Path("/nowhere/python"),
    code=Path("/data/code/0"),
    roots=["src", ""],
    starts_in="src",
    server_url="https://zenml-1.example.org",
    token=TOKEN,
    project_id=UUID(int=3),
    stack_id=UUID(int=4),
    local_stores=Path("/data/stores"),
    user_id=UUID(int=5),
    tenant_id=TENANT_ID,
    needs=("0.98.0", "pandas==2.2\n", ""),
)
PLACE = PodPlace(
    namespace="zenpro-runs",
    installation="0123456789ab",
    api_url="https://zenpro.example.org/api",
    index=PackageIndex(("https://ada:secret@index.example.org/simple",)),
)
