"""ZenML's runner for one placeholder run (rerun §2.7): its command and its variables, wherever it is started."""

import os
from pathlib import Path

from tenants.runs.dialects import runner_arguments

from .base import Order

MODULE = "zenml.entrypoints.entrypoint"
SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin"
# zenml.utils.run_utils.stop_run() does the same, but refuses a run that is stopping already (0.98.0). The orchestrator's
# stop_run() writes a reason of its own into the tenant, then ends what works on the run without waiting for a step; most
# orchestrators know no way to do that.
END = """
import sys
from zenml.client import Client
from zenml.enums import ExecutionStatus, StackComponentType
from zenml.orchestrators.publish_utils import publish_pipeline_run_status_update
from zenml.stack.stack_component import StackComponent
run = Client().get_pipeline_run(sys.argv[1], allow_name_prefix_match=False)
[orchestrator] = run.stack.components[StackComponentType.ORCHESTRATOR]
try:
    StackComponent.from_model(orchestrator).stop_run(run=run, graceful=False)
finally:
    publish_pipeline_run_status_update(run.id, ExecutionStatus.STOPPING, status_reason=sys.argv[2])
"""
CODE = "code"  # a copy of the code that the run may write to, where relative paths of its steps begin
SCRATCH = ("home", "config", "tmp", CODE)  # all that a run may write beside the tenant's stores


def command(order: Order) -> list[str]:
    if order.ends:
        return [str(order.python), "-c", END, str(order.zenml_run_id), order.ends]
    told = runner_arguments(order.release, order.snapshot_id, order.zenml_run_id)
    return [str(order.python), "-m", MODULE, *told]


def environment(order: Order, folder: Path) -> dict[str, str]:
    """The complete environment: nothing of ours reaches the code of a template. `folder` has the SCRATCH."""
    return base_variables(order.python, folder, [folder / CODE / root for root in order.roots]) | {
        "ZENML_STORE_TYPE": "rest",
        "ZENML_STORE_URL": order.server_url,
        "ZENML_STORE_API_TOKEN": order.token,
        "ZENML_ACTIVE_PROJECT_ID": str(order.project_id),
        "ZENML_ACTIVE_STACK_ID": str(order.stack_id),
        "ZENML_LOCAL_STORES_PATH": str(order.local_stores),
        "ZENML_USER_ID": str(order.user_id),
        "ZENML_LOGS_OTEL_SCHEDULE_DELAY_MILLIS": "500",
    }


def base_variables(python: Path, folder: Path, roots: list[Path]) -> dict[str, str]:
    """Of all that runs code of a template. `folder` has the SCRATCH; `roots`: ZenML's source root first."""
    return {
        "PATH": f"{python.parent}:{SYSTEM_PATH}",
        "HOME": str(folder / "home"),
        "TMPDIR": str(folder / "tmp"),
        "LANG": "C.UTF-8",
        "ZENML_CONFIG_PATH": str(folder / "config"),
        "ZENML_CUSTOM_SOURCE_ROOT": str(roots[0]),
        "PYTHONPATH": os.pathsep.join(map(str, roots)),
        "ZENML_ANALYTICS_OPT_IN": "false",
        "PYTHONUNBUFFERED": "1",
        "ZENML_LOGGING_COLORS_DISABLED": "true",
        "ZENML_ENABLE_RICH_TRACEBACK": "false",
    }
