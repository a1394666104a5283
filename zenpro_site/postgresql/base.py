"""Django's PostgreSQL with a cheaper answer to "is the connection still good?".

Django asks the server before the first statement of each request (CONN_HEALTH_CHECKS): a third of the round trips of a
tenant's question. A server that was restarted has closed its end, which shows here without asking anyone.
"""

import select

from django.db.backends.postgresql import base

from zenpro_site.common.statements import named


class DatabaseWrapper(base.DatabaseWrapper):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.execute_wrappers.append(named)

    def is_usable(self) -> bool:
        if self.connection is None or self.connection.closed:
            return False
        return not _has_news(self.connection.fileno()) or super().is_usable()


def _has_news(descriptor: int) -> bool:
    """Between requests nothing is on its way: what can be read is a notice, or the end."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN | select.POLLHUP | select.POLLERR)
    return bool(poll.poll(0))
