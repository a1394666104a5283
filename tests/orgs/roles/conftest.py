import pytest
from factories import make_role


@pytest.fixture
def reviewer(org):
    """A tenant role of the organization's own, built on Viewer."""
    return make_role(org, "Model reviewer", base="viewer", rights={"model:update"})


@pytest.fixture
def recruiter(org):
    """An organization role of the organization's own."""
    return make_role(org, "Recruiter", level="organization", rights={"member:view", "invitation:manage"})
