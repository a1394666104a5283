"""Removes what is left in the cluster of runs that are over: the agent was killed, or the cluster was away, at their end."""

from django.conf import settings

from tenants.run_templates.engine.base import RunnerOutOfReach
from tenants.run_templates.engine.cluster_runner import ClusterRunner
from tenants.run_templates.models import TemplateRun

State = TemplateRun.State
NEEDED = (State.QUEUED, State.PREPARING, State.STARTING, State.RUNNING, State.STOPPING)


def sweep_jobs(runner: ClusterRunner | None = None) -> int:
    """Returns of how many runs. Rows are read after the cluster: none of those it shows is yet to begin."""
    if not settings.ZENPRO_RUNS_IN_CLUSTER:
        return 0
    runner = runner or ClusterRunner()
    try:
        found = runner.left_over()
    except RunnerOutOfReach:
        return 0
    needed = TemplateRun.objects.filter(pk__in=found, state__in=NEEDED)
    over = found - set(needed.order_by().values_list("pk", flat=True))
    for run_id in over:
        runner.tidy(run_id)
    return len(over)
