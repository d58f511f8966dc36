"""How many CPUs a process may use: folders laid out as the kernel does, and a real cgroup where one can be made."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lenetx_runtime.cpus import Cpus, available_cpus, count_cpus, cpu_quota

V2, HYBRID = "sys/fs/cgroup", "sys/fs/cgroup/unified"
V1, V1_LONG = "sys/fs/cgroup/cpu", "sys/fs/cgroup/cpu,cpuacct"


def v1(quota, period=100_000, folder=V1):
    return {f"{folder}/cpu.cfs_quota_us": f"{quota}\n", f"{folder}/cpu.cfs_period_us": f"{period}\n"}


def v2(text, folder=V2):
    return {f"{folder}/cpu.max": f"{text}\n"}


CASES = {
    "no proc": (None, v2("100000 100000"), None),
    "version 2, the container's own": ("0::/\n", v2("150000 100000"), 1.5),
    "version 2, no limit": ("0::/\n", v2("max 100000"), None),
    "version 2, a group inside": ("0::/a/b\n", v2("50000 100000", f"{V2}/a/b"), 0.5),
    "version 2, the group around it": (
        "0::/a/b\n",
        v2("max 100000", f"{V2}/a/b") | v2("200000 50000", f"{V2}/a") | v2("900000 100000"),
        4.0,
    ),
    "version 2, the path that the host sees": ("0::/docker/c\n", v2("300000 100000"), 3.0),
    "version 2, outside what is mounted": (
        "0::/../other\n",
        v2("300000 100000") | v2("100000 100000", "sys/fs/other"),
        3.0,
    ),
    "version 2 beside version 1": ("3:cpuset:/\n0::/a\n", v2("70000 10000", f"{HYBRID}/a"), 7.0),
    "version 1": ("4:cpu,cpuacct:/\n0::/\n", v1(250_000), 2.5),
    "version 1 by its long name": ("4:cpu,cpuacct:/a\n", v1(250_000, folder=f"{V1_LONG}/a"), 2.5),
    "version 1, no limit": ("4:cpu:/\n", v1(-1), None),
    "version 1, the path that the host sees": ("4:cpu,cpuacct:/docker/c\n", v1(10_000, 20_000), 0.5),
    "version 1, the group of another controller": (
        "3:cpuset,cpuacct:/a\n4:cpu:/b\n",
        v1(50_000, folder=f"{V1}/a") | v1(300_000, folder=f"{V1}/b"),
        3.0,
    ),
    "both, the smaller counts": ("4:cpu:/\n0::/\n", v1(300_000) | v2("200000 100000", HYBRID), 2.0),
    "nonsense": ("0\n:\n\n", v2("much 0"), None),
    "a period of nothing": ("0::/\n", v2("100000 0"), None),
}


@pytest.mark.parametrize("case", CASES)
def test_the_quota_is_that_of_the_cgroups_of_the_process(tmp_path, case):
    cgroup, files, quota = CASES[case]
    told = {} if cgroup is None else {"proc/self/cgroup": cgroup}
    for name, text in (told | files).items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert cpu_quota(tmp_path) == quota


@pytest.mark.parametrize(
    ("affinity", "quota", "usable"), [(4, None, 4), (4, 2.0, 2), (4, 1.1, 2), (4, 0.1, 1), (2, 64.0, 2), (1, 1.0, 1)]
)
def test_a_part_of_a_cpu_counts_as_one_and_affinity_is_never_exceeded(affinity, quota, usable):
    assert Cpus(8, affinity, quota).usable == usable


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system has no CPU affinity")
def test_the_affinity_of_the_process_counts_and_not_the_machine():
    code = (
        "import os; from lenetx_runtime.cpus import count_cpus;"
        "os.sched_setaffinity(0, [min(os.sched_getaffinity(0))]); cpus = count_cpus();"
        "print(cpus.affinity, cpus.usable, cpus.machine)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=250)
    assert done.stdout.split() == ["1", "1", str(os.cpu_count())]
    assert available_cpus() == count_cpus().usable <= len(os.sched_getaffinity(0))


@pytest.fixture
def limited():
    """A real cgroup below this process's whose processes have half a CPU: the file that takes their numbers."""
    group = f"lenetx-test-{os.getpid()}"
    for top, limit, text in (
        (Path("/sys/fs/cgroup/cpu"), "cpu.cfs_quota_us", "50000"),
        (Path("/sys/fs/cgroup"), "cpu.max", "50000 100000"),
    ):
        folder = top / group
        try:
            folder.mkdir()
        except OSError:
            continue
        try:
            (folder / limit).write_text(text)
            yield folder / "cgroup.procs"
        except OSError:
            continue
        else:
            return
        finally:
            folder.rmdir()
    pytest.skip("no cgroup with a quota can be made here")


def test_a_real_quota_is_the_number_of_the_engines_threads(limited):
    code = (
        "import sys, os, pathlib; pathlib.Path(sys.argv[1]).write_text(str(os.getpid()));"
        "import onnxruntime; from lenetx_runtime import cpus, ort;"
        "print(cpus.cpu_quota(), ort._options(onnxruntime, None, True).intra_op_num_threads)"
    )
    command = [sys.executable, "-c", code, str(limited)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=250)
    assert done.stdout.split() == ["0.5", "1"]
