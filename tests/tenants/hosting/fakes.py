"""A double of a backend; test_protocol compares it with the protocol."""

from django.db.models import Q

from tenants.hosting.backends import backends
from tenants.hosting.base import SERVER_STEPS, NotYet, ServerError, ServerState, ServerStatus
from tenants.models import Tenant


def in_place(hosting) -> dict:
    """The backends, with this one in place of that of this machine."""
    return backends() | {Tenant.Kind.LOCAL: hosting}


class FakeHosting:
    """Servers that run when they are told to, and the calls they got."""

    steps = ("reserve", "environment", *SERVER_STEPS)

    def __init__(self):
        self.calls, self.running, self.error, self.dead = [], set(), None, ""
        self.slow, self.lost = 0, ""
        self.data, self.silent, self.gone, self.uptime = True, False, None, 100 * 24 * 3600.0

    def look_every(self, tenant):
        return 5.0

    def hurried(self):
        return Q(pk__in=[])

    def provision(self, tenant, tell):
        self._reserve(tenant)
        tell("reserve", "", done=True)
        tell("environment", "")
        self.calls.append("install")
        if self.error:
            raise self.error
        tell("environment", "", done=True)

    def _reserve(self, tenant):
        taken = set(Tenant.objects.values_list("port", flat=True))
        tenant.port = tenant.port or next(port for port in range(9500, 9600) if port not in taken)
        tenant.server_url = f"http://127.0.0.1:{tenant.port}"
        tenant.save(update_fields=["port", "server_url"])

    def start(self, tenant):
        self.calls.append("start")
        self.running.add(tenant.pk)

    def restart(self, tenant):
        self.calls.append("restart")

    def stop(self, tenant):
        if tenant.port is None:
            return
        self.state(tenant)
        self.calls.append("stop")
        self.running.discard(tenant.pk)

    def retire(self, tenant):
        self.calls.append("retire")
        tenant.port = None
        tenant.save(update_fields=["port"])

    def is_gone(self, tenant):
        return tenant.port is None

    def end_orphans(self, known):
        orphans = self.running - set(known)
        self.running -= orphans
        return [f"tenant-{pk}" for pk in orphans]

    def take_out(self, tenant, carriage):
        """Takes as many calls as `slow` says; fails with `lost`."""
        self._carry("take_out", tenant)
        carriage.file.parent.mkdir(parents=True, exist_ok=True)
        carriage.file.write_text("a database")

    def put_in(self, tenant, carriage):
        self._carry("put_in", tenant)
        assert carriage.file.read_text() == "a database"

    def _carry(self, name, tenant):
        self.calls.append(name)
        assert tenant.pk not in self.running, "two use one database"
        if self.slow:
            self.slow -= 1
            raise NotYet("It is on its way.")
        if self.lost:
            raise ServerError(self.lost)

    def state(self, tenant):
        if self.gone:
            raise self.gone
        if self.dead:
            return ServerState(ServerStatus.FATAL)
        if tenant.pk in self.running:
            return ServerState(ServerStatus.RUNNING, 7, self.uptime)
        return ServerState(ServerStatus.STOPPED)

    def healthy(self, tenant):
        return tenant.pk in self.running and not self.dead and not self.silent

    def cpu_seconds(self, tenant):
        return 0.0

    def address(self, tenant):
        return tenant.server_url

    def has_data(self, tenant):
        return self.data

    def data_at(self, tenant):
        return "/data/zenml.db"

    def places(self, tenant):
        return []

    def stores(self, tenant):
        return None

    def tail_log(self, tenant, lines=200):
        return []

    def explain_failure(self, tenant):
        return self.dead

    def shut_out(self, tenant, person, still_out):
        return still_out()

    def end_run(self, tenant, run_id, status, reason):
        return None
