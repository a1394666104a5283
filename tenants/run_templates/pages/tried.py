"""Tries of code as their person sees them."""

from dataclasses import dataclass
from uuid import UUID

from tenants.run_templates.document.packages import package_of
from tenants.run_templates.engine.importing import StepImport
from tenants.run_templates.engine.run_environments import RunEnvironments, needs_in
from tenants.run_templates.models import CodeTry
from tenants.run_templates.pages.presentation import presentable

State = CodeTry.State
STAGES = (
    (State.WAITING, "Waiting for a free slot", "Few tries run at once."),
    (
        State.INSTALLING,
        "Install the packages",
        "This can take a minute. What is installed once is used again.",
    ),
    (State.IMPORTING, "Import every step", "In a box as a run has it, without access to any tenant."),
)
LOG_LINES = 12


@dataclass(frozen=True)
class TriedStep:
    """What came of one step, for the page. `package` can be added for the module that was not found, "" for none."""

    result: StepImport
    package: str = ""

    @property
    def name(self) -> str:
        return presentable(self.result.name)

    @property
    def module(self) -> str:
        return presentable(self.result.module)

    @property
    def loads(self) -> bool:
        return self.result.state == "imported"


@dataclass(frozen=True)
class TryPage:
    """One try as it stands now."""

    row: CodeTry

    @property
    def steps(self) -> list[TriedStep]:
        results = [StepImport(**each) for each in self.row.results]
        own = {each.module.partition(".")[0] for each in results}
        return [TriedStep(each, self._package(each.missing, own)) for each in results]

    def _package(self, module: str, own: set[str]) -> str:
        """What the code itself should have is in no package."""
        is_own = module.partition(".")[0] in own
        return package_of(module, self.row.recorded) if module and not is_own else ""

    @property
    def stages(self) -> list[tuple[str, str, str]]:
        """(mark, title, text) of what happens until the results are there."""
        names = [name for name, _, _ in STAGES]
        at = names.index(self.row.state) if self.row.state in names else 1
        now = "failed" if self.row.state == State.FAILED else "now"
        marks = ["done" if number < at else now if number == at else "" for number in range(len(STAGES))]
        return [(mark, title, text) for mark, (_, title, text) in zip(marks, STAGES, strict=True)]

    @property
    def log(self) -> str:
        """The last lines of the installation while it lasts."""
        if self.row.state != State.INSTALLING:
            return ""
        needed = needs_in(self.row.code.tenant, self.row.requirements)
        return "\n".join(RunEnvironments().state_of(*needed).lines[-LOG_LINES:])


def try_of(request, pk: str | UUID) -> CodeTry | None:
    """The person's own try of code of this tenant."""
    try:
        mine = CodeTry.objects.filter(code__tenant=request.tenant, person=request.user, pk=UUID(str(pk)))
    except ValueError:
        return None
    return mine.select_related("code__tenant__organization", "code__created_by").first()
