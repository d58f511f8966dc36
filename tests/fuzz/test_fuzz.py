"""Any bytes, and any change of a real file, give a result or one of our errors, in bounded time and memory."""

import json
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

QUICK = settings(deadline=None, derandomize=True, max_examples=150)
TARGETS = ("image", "model", "ort", "native", "spec", "selftest", "certificate")
RUNS = {"image": 3000, "model": 1500, "ort": 1500, "native": 3000, "spec": 3000, "selftest": 3000, "certificate": 3000}
SCRIPT = Path(__file__).with_name("run.py")


@pytest.mark.parametrize("target", TARGETS)
def test_every_real_file_is_taken(fuzz, target):
    files = fuzz("corpus").CORPORA[target]()
    assert [name for name, data in files.items() if not fuzz("targets").TARGETS[target](data)] == []


@pytest.mark.parametrize("target", TARGETS)
def test_any_bytes(fuzz, target):
    attempt = fuzz("targets").TARGETS[target]
    heads = [b"", *{data[:size] for data in fuzz("corpus").CORPORA[target]().values() for size in (4, 12, 40)}]

    @QUICK
    @given(st.sampled_from(heads), st.binary(max_size=400))
    def check(head, tail):
        attempt(head + tail)

    check()


@pytest.mark.parametrize("target", TARGETS)
def test_any_change_of_a_real_file(fuzz, target):
    attempt = fuzz("targets").TARGETS[target]
    mutate = fuzz("mutate").mutated
    files = list(fuzz("corpus").CORPORA[target]().values())

    @QUICK
    @given(st.sampled_from(files), st.integers(0, 2**32))
    def check(data, seed):
        attempt(mutate(data, random.Random(seed)))

    check()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@pytest.mark.parametrize("target", ["spec", "selftest", "certificate"])
def test_any_value_anywhere_in_a_real_document(fuzz, target):
    attempt = fuzz("targets").TARGETS[target]
    documents = [json.loads(data) for data in fuzz("corpus").CORPORA[target]().values()]

    @QUICK
    @given(st.data())
    def check(data):
        document = json.loads(json.dumps(data.draw(st.sampled_from(documents))))
        inner = document
        while True:
            place = data.draw(st.sampled_from(sorted(inner) if isinstance(inner, dict) else range(len(inner))))
            below = inner[place]
            if not (isinstance(below, dict | list) and below and data.draw(st.booleans())):
                break
            inner = below
        inner[place] = data.draw(json_values)
        attempt(json.dumps(document).encode())

    check()


@pytest.mark.slow
@pytest.mark.parametrize("target", TARGETS)
def test_thousands_of_changes_in_a_process_that_is_watched(watched, tmp_path, target):
    """Sealed anew after the change, a model reaches onnxruntime: what that did not survive would end the process."""
    done = watched(SCRIPT, target, RUNS[target], 20, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith(f"{RUNS[target]} of {target}: ")
    assert " 0 taken" not in done.stdout


GREEDY = """
import sys
sys.path.insert(0, sys.argv[1])
import run

seen = []

def attempt(data):
    seen.append(data)
    return len(seen) > 2 and {fault}  # the first two are the real files

run.TARGETS["spec"] = attempt
run.MOST_SECONDS, run.MOST_BYTES, run.HANGS = {limits}
run.main("spec", "2", 1, sys.argv[2])
"""


@pytest.mark.parametrize(
    ("fault", "limits", "sign"),
    [
        ("sum(range(10**8))", (0.2, 2**40, 250.0), "example: "),
        ("len(bytes([1]) * (2**30 + 2**27))", (10**6, 2**30, 250.0), "example: "),
        ("__import__('time').sleep(200)", (10**6, 2**40, 1.0), "Timeout"),
        ("1 // 0", (10**6, 2**40, 250.0), "ZeroDivisionError"),
        ("__import__('os').abort()", (10**6, 2**40, 250.0), ""),
    ],
)
def test_the_watch_sees_what_it_is_there_for(watched, tmp_path, fault, limits, sign):
    """Only the limit that is tried can be reached, however busy the machine is."""
    script = tmp_path / "greedy.py"
    script.write_text(GREEDY.replace("{fault}", fault).replace("{limits}", str(limits)), "utf-8")
    done = watched(script, Path(__file__).parent, tmp_path)
    assert done.returncode != 0
    assert sign in done.stderr
    assert (tmp_path / "example").exists()
