"""Carries out one run on this machine, with its artifacts in S3. By a person's ZenML, as they would.

Argument: address of S3. Prints the run's id.
"""

import sys

from greeting import greeting
from zenml.client import Client
from zenml.enums import StackComponentType as Component


def main(s3: str) -> None:
    client = Client()
    store = {"path": "s3://zen/store", "key": "a", "secret": "b"}
    store |= {"client_kwargs": {"endpoint_url": s3, "region_name": "us-east-1"}}
    client.create_stack_component("the-s3", "s3", Component.ARTIFACT_STORE, store)
    parts = {Component.ORCHESTRATOR: "default", Component.ARTIFACT_STORE: "the-s3"}
    client.activate_stack(client.create_stack("in-s3", parts).id)
    print(f"run={greeting().id}")


main(*sys.argv[1:])
