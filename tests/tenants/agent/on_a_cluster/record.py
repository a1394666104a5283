"""Makes a stack of ZenML's own Kubernetes orchestrator and S3 store, and hands one run over to it.

By a person's ZenML, as they would. Arguments: addresses of the cluster and of S3, the cluster's token. Prints the run's id.
"""

import platform
import sys

from greeting import greeting
from zenml import __version__
from zenml.client import Client
from zenml.enums import StackComponentType as Component
from zenml.models import PipelineBuildRequest
from zenml.models.v2.misc.build_item import BuildItem

IMAGE = "registry.example.org/greeting:1"
ORCHESTRATOR = {"kubernetes_namespace": "runs", "synchronous": False}
ORCHESTRATOR |= {"job_monitoring_interval": 1}  # seconds between looks; by default 3


def make_stack(client: Client, cluster: str, s3: str, token: str):
    """Returns its id; it is the active one then."""
    access = {"token": token, "server": cluster, "cluster_name": "test", "insecure": True}
    client.create_service_connector("cluster", "kubernetes", auth_method="token", resource_type="kubernetes-cluster",
        configuration=access, verify=False)  # fmt: skip
    store = {"path": "s3://zen/store", "key": "a", "secret": "b"}
    store |= {"client_kwargs": {"endpoint_url": s3, "region_name": "us-east-1"}}
    parts = {
        Component.ORCHESTRATOR: ("kubernetes", ORCHESTRATOR),
        Component.ARTIFACT_STORE: ("s3", store),
        Component.CONTAINER_REGISTRY: ("default", {"uri": "registry.example.org"}),
        Component.IMAGE_BUILDER: ("local", {}),
    }
    for kind, (flavor, configuration) in parts.items():
        client.create_stack_component(f"the-{flavor}", flavor, kind, configuration)
    connector = client.get_service_connector("cluster").id
    client.update_stack_component("the-kubernetes", Component.ORCHESTRATOR, connector_id=connector, connector_resource_id="test")  # fmt: skip
    made = client.create_stack("cluster", {kind: f"the-{flavor}" for kind, (flavor, _) in parts.items()})
    client.activate_stack(made.id)
    return made.id


def main(cluster: str, s3: str, token: str) -> None:
    client = Client()
    stack = make_stack(client, cluster, s3, token)
    item = BuildItem(image=IMAGE, contains_code=False, requires_code_download=True)
    build = PipelineBuildRequest(project=client.active_project.id, stack=stack, images={"orchestrator": item}, is_local=False,
        contains_code=False, zenml_version=__version__, python_version=platform.python_version())  # fmt: skip
    made = client.zen_store.create_build(build)
    run = greeting.with_options(build=str(made.id))()
    print(f"run={run.id}")


main(*sys.argv[1:])
