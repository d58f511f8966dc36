"""How much memory a data set may take by default."""

import os

import pytest
import torch

from lenetx.frames.memory import default_limit

CPU = torch.device("cpu")
MACHINE = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


@pytest.fixture
def system(tmp_path):
    """The function that lays out what Linux tells of this process's control groups."""

    def lay(groups, **limits):
        (tmp_path / "proc/self").mkdir(parents=True)
        (tmp_path / "proc/self/cgroup").write_text(groups)
        for place, text in limits.items():
            file = (
                tmp_path
                / "sys/fs/cgroup"
                / place.replace("__", "/").replace("_max", ".max").replace("_limit", ".limit")
            )
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        return tmp_path

    return lay


def test_it_is_a_quarter_of_the_machine_where_nothing_is_tighter(tmp_path):
    assert default_limit(CPU, root=tmp_path) == MACHINE // 4


@pytest.mark.parametrize(
    ("groups", "limits"),
    [
        ("0::/\n", {"memory_max": "4000000\n"}),
        ("0::/a/b\n", {"a__memory_max": "4000000\n", "a__b__memory_max": "max\n"}),
        ("0::/a/b\n", {"a__memory_max": "9000000\n", "a__b__memory_max": "4000000\n"}),
        ("4:memory:/x\n0::/\n", {"memory__x__memory_limit_in_bytes": "4000000\n"}),
        ("4:cpu,memory:/gone\n", {"memory__memory_limit_in_bytes": "4000000\n"}),
    ],
    ids=["v2", "v2, a group above", "v2, the tightest", "v1", "v1, as a container sees it"],
)
def test_the_tightest_control_group_counts(system, groups, limits):
    assert default_limit(CPU, root=system(groups, **limits)) == 1_000_000


@pytest.mark.parametrize("text", ["max\n", "", "9223372036854771712\n"])
def test_a_group_without_a_limit_does_not_count(system, text):
    assert default_limit(CPU, root=system("0::/\n", memory_max=text)) == MACHINE // 4
