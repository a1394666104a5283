"""An agent for re-runs alone, as a process that kills itself at a moment of one of them.

Arguments: id of the re-run, and one of MOMENTS; with "" it never dies.
"""

import os
import signal
import sys
import threading
from datetime import timedelta

import django

# What a pass is about to do -> what the world is like by then.
MOMENTS = {
    "_start": "the tenant knows of the run, and no runner has begun",
    "_record_process": "the runner prepares, and no one has written its process down",
    "_hand_over": "the Job was submitted, and the row does not say so",
    "_go_on_with": "the Job was submitted, and the row says so",
    "_end": "the run is over in the tenant, and the row does not say so",
}
SILENT_AFTER = timedelta(seconds=5)  # for minutes and hours
LOOK_EVERY = 1.0  # seconds


def main(pk: str, moment: str) -> None:
    django.setup()
    from tenants.agent import run_life, run_memory
    from tenants.agent.run_loop import RunLoop

    run_memory.LOOK_EVERY = run_life.LOOK_EVERY = LOOK_EVERY
    run_life.SILENT_AFTER = run_life.WAITS_AFTER = SILENT_AFTER
    if moment:
        die_before(moment, pk)
    RunLoop().run_forever(threading.Event())


def die_before(moment: str, pk: str) -> None:
    from tenants.agent.run_afar import SubmittedPass

    owner = next(one for one in SubmittedPass.__mro__ if moment in vars(one))
    rest = getattr(owner, moment)

    def dying(self, *args, **more):
        if str(self.run.pk) == pk:
            os.kill(os.getpid(), signal.SIGKILL)
        return rest(self, *args, **more)

    setattr(owner, moment, dying)


if __name__ == "__main__":
    main(*sys.argv[1:])
