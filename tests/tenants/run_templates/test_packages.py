import pytest

from tenants.run_templates.document.packages import package_of, proposals, takable, with_package
from tenants.run_templates.document.requirements import RequirementsRefused


@pytest.mark.parametrize(
    "module", ["", "a b", "../x", "x-y", "-r", "é", "a" * 101, "a..b", "1a", "a@b", "a\n"]
)
def test_what_is_no_module_has_no_package(module):
    assert package_of(module) == ""


@pytest.mark.parametrize(
    ("module", "package"),
    [
        ("lightgbm.sklearn", "lightgbm"),
        ("sklearn", "scikit-learn"),
        ("PIL.Image", "pillow"),
        ("google.cloud.storage", "google-cloud-storage"),
        ("some_thing", "some-thing"),
    ],
)
def test_packages_of_modules(module, package):
    assert package_of(module) == package


def test_the_version_is_that_of_the_run():
    recorded = ["zenml==0.98.0", "Scikit_Learn==1.5.2", "x @ file:///etc/passwd", "-e .", "a\ud800"]
    assert package_of("sklearn.svm", recorded) == "scikit-learn==1.5.2"
    assert takable(recorded) == ["scikit-learn==1.5.2"]


def test_one_more_package():
    assert with_package("", "lightgbm==4.5.0") == "lightgbm==4.5.0"
    assert with_package("pandas>=2 # data\n", "LightGBM") == "pandas>=2 # data\nlightgbm"


def test_what_is_there_already_is_not_added_again():
    assert with_package("Scikit_Learn[x]<2", "scikit-learn==1.5.2") == "Scikit_Learn[x]<2"


def test_what_is_no_package_is_refused():
    with pytest.raises(RequirementsRefused):
        with_package("pandas", "-r /etc/passwd")


def test_lists_that_no_template_takes_are_not_proposed():
    many = [f"p{number}" for number in range(501)]
    found = proposals(
        ["a @ file:///x", "zenml==1"], {"requirements.txt": many, "x/uv.lock": [], "pyproject.toml": ["b"]}
    )
    assert [(one.key, one.text) for one in found] == [("file:pyproject.toml", "b")]
    assert proposals(["B==1", "a==2"], {})[0].text == "b==1\na==2"
