"""A runner without processes: `living` are those that run, `log` what was asked of it."""

from tenants.run_templates.engine.base import AlreadyRunning, Started


class FakeRunner:
    """Carries out re-runs by doing nothing until a test ends them."""

    def __init__(self):
        self.living, self.codes, self.log = {}, {}, []
        self.lines, self.sentence, self.listens, self.waiting = [], "", True, ""

    def start(self, order):
        if order.run_id in self.living:
            raise AlreadyRunning
        self.log.append("end on its stack" if order.ends else "start")
        self.living[order.run_id] = Started(order.run_id, len(self.log), "fake")
        return self.living[order.run_id]

    def find(self, run_id):
        return self.living.get(run_id)

    def waits(self, started):
        return self.waiting

    def alive(self, started):
        return self.living.get(started.run_id) == started

    def stop(self, started):
        self.log.append("stop")
        if self.listens:
            self.finish(started.run_id, 143)

    def end(self, started):
        self.log.append("end")
        self.finish(started.run_id, 137)

    def exit_code(self, started):
        return self.codes.get(started.run_id)

    def limit(self, run_id):
        return self.sentence

    def output(self, run_id, lines=200):
        return self.lines[-lines:]

    def keep(self, run_id, code):
        self.log.append("keep")
        return 7

    def tidy(self, run_id):
        self.log.append("tidy")

    def finish(self, run_id, code):
        """What tests do: it has ended."""
        if self.living.pop(run_id, None):
            self.codes[run_id] = code
