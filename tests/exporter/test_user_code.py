"""Code of a user: whatever it raises is one sentence about it, and stdout and the host's warnings stay ours."""

import sys
import threading
import warnings

import pytest

from lenetx.errors import DataError, InputError
from lenetx.execution.user_code import no_warning_is_an_error, user_code

HEAD = "import json\nimport sys\nimport warnings\nimport torch\n\n"


@pytest.fixture
def run(tmp_path):
    """The function that runs code as that of ``mine.py`` and gives the sentence."""

    def run(code):
        path = tmp_path / "mine.py"
        path.write_text(HEAD + code, encoding="ascii")
        with pytest.raises(InputError) as caught, user_code("mine.py:Net", " in float64"):
            exec(compile(path.read_text(), str(path), "exec"), {})  # the case itself
        return str(caught.value)

    return run


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("raise ValueError('the width\\nis odd')", "ValueError in line 6 of mine.py in float64: the width."),
        ("raise ValueError", "ValueError in line 6 of mine.py in float64."),
        ("sys.exit('bye')", "SystemExit in line 6 of mine.py in float64: bye."),
        ("class Stop(BaseException): pass\nraise Stop(3)", "Stop in line 7 of mine.py in float64: 3."),
        (
            "class Mute(Exception):\n  def __str__(self): raise KeyError(1)\nraise Mute",
            "Mute in line 8 of mine.py in float64.",
        ),
        ("def down(n): return down(n + 1)\ndown(0)", "RecursionError in line 6 of mine.py in float64: maximum"),
        ("torch.zeros(2, 3) @ torch.zeros(2, 3)", "RuntimeError in line 6 of mine.py in float64: mat1 and mat2"),
        (
            "raise OSError('The following operation failed in the TorchScript interpreter.\\n\\nmat1 and mat2')",
            "OSError in line 6 of mine.py in float64: mat1 and mat2.",
        ),
        ("json.loads('{')", "JSONDecodeError in line 6 of mine.py in float64: Expecting"),
        ("raise ValueError('x' * 10_000)", f"ValueError in line 6 of mine.py in float64: {'x' * 300}…."),
    ],
)
def test_whatever_it_raises_is_one_sentence_with_its_line(run, code, words):
    found = run(code)
    assert found.startswith(f"mine.py:Net raised {words}")
    assert "\n" not in found


def test_our_own_errors_and_an_interrupt_pass():
    for error in (DataError("no such data"), KeyboardInterrupt()):
        with pytest.raises(type(error)), user_code("mine.py:Net"):
            raise error


def test_what_it_prints_goes_to_stderr_from_any_number_of_threads(capsys):
    before, both = sys.stdout, threading.Barrier(2, timeout=30)

    def work(early):
        with user_code("mine.py:Net"):
            both.wait()
            print("from the network")  # noqa: T201  # the case itself
            if not early:
                both.wait()
        if early:
            both.wait()

    threads = [threading.Thread(target=work, args=(early,)) for early in (True, False)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sys.stdout is before
    assert capsys.readouterr() == ("", "from the network\n" * 2)


def test_a_host_that_makes_warnings_errors_does_not_fail_the_network():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.warns(UserWarning, match="mind the gap"), no_warning_is_an_error():
            warnings.warn("mind the gap", stacklevel=1)
        with pytest.raises(UserWarning):
            warnings.warn("mind the gap", stacklevel=1)
