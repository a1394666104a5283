"""Sentences out of what a real ZenML 0.98.0 recorded for steps that failed, and out of what is no traceback at all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenants.runs.step_failures import CodeLine, Reason, reason_in, reason_of

CODE = "/data/runs/aac84bf2-2d0e-4b21-bcf7-d4ef5af1ab3d/code"
PACKAGES = "/data/envs/run-1b0e/lib/python3.11/site-packages"
FRAMES = f'  File "{CODE}/churn/steps.py", line 32, in work\n    deeper(kind)\n'
LAST = f'{FRAMES}  File "{CODE}/churn/deep.py", line 27, in deeper\n    assert 1 == 2\n           ^^^^^^\n'
PLACE = CodeLine("churn/deep.py", 27, "deeper", "assert 1 == 2", True)
PYDANTIC = (
    "2 validation errors for Shape\nrounds\n  Input should be greater than or equal to 1 [type=greater_than_equal, "
    "input_value=0, input_type=int]\n    For further information visit https://errors.pydantic.dev/2.12/v/x\nname\n"
    "  Input should be a valid string [type=string_type, input_value=[1], input_type=list]\n"
    "    For further information visit https://errors.pydantic.dev/2.12/v/string_type"
)
WRONG_TYPE = (
    f'Traceback (most recent call last):\n  File "{PACKAGES}/zenml/steps/base_step.py", line 740, in call_entrypoint\n'
    "    validated_args = pydantic_utils.validate_function_args(\n"
    "pydantic_core._pydantic_core.ValidationError: 1 validation error for validate_function_args.<locals>.f\nn\n"
    "  Input should be a valid integer, unable to parse string as an integer [type=int_parsing, input_value='many', "
    "input_type=str]\n    For further information visit https://errors.pydantic.dev/2.12/v/int_parsing\n\n"
    "The above exception was the direct cause of the following exception:\n\nTraceback (most recent call last):\n"
    f'  File "{PACKAGES}/zenml/orchestrators/step_runner.py", line 259, in run\n    return_values = x(\n'
    "zenml.exceptions.StepInterfaceError: Invalid step function entrypoint arguments. Check out the pydantic error above "
    "for more details.\n"
)
ABOVE = "Invalid step function entrypoint arguments. Check out the pydantic error above for more details."
OUTPUT = f"""Step `work` has started.
Failed to run step `work`: No module named 'nothere_top'
Step work failed.
Traceback (most recent call last):
  File "{PACKAGES}/zenml/utils/source_utils.py", line 595, in _load_module
    module = importlib.import_module(module_name)
             ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  File "<frozen importlib._bootstrap>", line 241, in _call_with_frames_removed
  File "{CODE}/broken.py", line 1, in <module>
    import nothere_top
ModuleNotFoundError: No module named 'nothere_top'
Traceback (most recent call last):
  File "<frozen runpy>", line 198, in _run_module_as_main
  File "{PACKAGES}/zenml/orchestrators/local/local_orchestrator.py", line 180, in submit_pipeline
    raise RuntimeError(
RuntimeError: Pipeline run has failed due to failure in step(s): work"""


@pytest.mark.parametrize(
    ("message", "end", "sentence"),
    [
        ("AUC 0.8 is below 0.99.", "RuntimeError: AUC 0.8 is below 0.99.", "AUC 0.8 is below 0.99."),
        ("6 is more than 1.\nSecond line", "ValueError: 6 is\nSecond line", "6 is more than 1. Second line"),
        ("", "AssertionError", "AssertionError: assert 1 == 2"),
        ("'a'", "KeyError: 'a'", "KeyError: 'a'"),
        ("3", "SystemExit: 3", "The code ended the process itself, with 3."),
        ("", "mine.errors.TooFewError: few rows", "few rows"),
        (
            PYDANTIC,
            f"pydantic_core._pydantic_core.ValidationError: {PYDANTIC}",
            "Shape: rounds: Input should be greater than or equal to 1 (it was 0); "
            + "name: Input should be a valid string (it was [1])",
        ),
    ],
)
def test_a_step_says_what_was_wrong_and_where(message, end, sentence):
    assert reason_of(message, f"{LAST}{end}\n") == Reason(sentence, PLACE)


def test_a_missing_module_is_named():
    found = reason_of("No module named 'xgboost'", f"{LAST}ModuleNotFoundError: No module named 'xgboost'\n")
    assert found == Reason("The module xgboost is missing.", PLACE, "xgboost")
    assert found.words == "The module xgboost is missing. (churn/deep.py, line 27)"
    assert reason_of("No module named 'a'", f"{LAST}ValueError: No module named 'a'\n").module == ""


def test_a_message_that_refers_to_the_error_above_is_that_error():
    sentence = "n: Input should be a valid integer, unable to parse string as an integer (it was 'many')"
    assert reason_of(ABOVE, WRONG_TYPE) == Reason(sentence, None)
    assert reason_of(ABOVE, "").sentence == ABOVE


def test_what_a_process_printed_tells_what_the_server_does_not():
    found = reason_in(OUTPUT.splitlines())
    place = CodeLine("broken.py", 1, "<module>", "import nothere_top", True)
    assert found == Reason("The module nothere_top is missing.", place, "nothere_top")
    assert reason_in(["Step work started.", "Note: all well", ""]) == Reason()
    assert reason_in([]) == Reason()


def test_code_that_ran_elsewhere_is_named_by_the_end_of_its_path():
    found = reason_of(
        "", '  File "/home/dana/churn/steps.py", line 7, in train\n    fit()\nValueError: no rows\n'
    )
    assert found == Reason("no rows", CodeLine("churn/steps.py", 7, "train", "fit()"))


def test_long_and_odd_texts_stay_short_and_printable():
    end = reason_of(
        "x " * 100_000, '  File "/a/b.py", line 1, in f\n' * 20_000 + "ValueError: \x1b[31mred\u202e\n"
    )
    assert len(end.sentence) <= 400
    assert reason_of("", LAST + "ValueError: \x1b[31mred\u202e\n").sentence.isprintable()
    assert (
        reason_of("", f'  File "/{"p" * 900}.py", line 1, in f\nValueError: a b').place.file.count("p") <= 300
    )


@given(
    st.text(max_size=300),
    st.lists(st.sampled_from([*OUTPUT.splitlines(), *WRONG_TYPE.splitlines(), " ", "  x"])),
)
def test_anything_has_a_reason_that_can_be_shown(message, lines):
    found = reason_of(message, "\n".join(lines))
    assert found.sentence.isprintable()
    assert len(found.words) <= 800
