"""What pages ask of the cluster: a few of them at a time, so that a slow cluster does not hold all threads of the web."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from tenants.hosting.base import SupervisorGone, TenantBusy
from tenants.hosting.bounded import CallPlaces

PLACES = CallPlaces(each=2, together=6, patience=1.0, credit=math.inf)
SLOW = "The cluster is answering slowly. Try again in a moment."


@contextmanager
def for_a_page(tenant_id: UUID) -> Iterator[None]:
    """Around all that one page asks. Raises SupervisorGone while too many others ask."""
    try:
        with PLACES.one(str(tenant_id)):
            yield
    except TenantBusy as error:
        raise SupervisorGone(SLOW) from error
