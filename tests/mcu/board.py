"""Build ``examples/firmware`` with a network's C file and run it in QEMU."""

import re
import shutil
import subprocess
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

FIRMWARE = Path(__file__).parents[2] / "examples" / "firmware"
_SECONDS = 600


@dataclass(frozen=True)
class Target:
    """One processor.

    Attributes:
        name: as ``TARGET`` of the firmware's Makefile.
        words: the processor, in words.
        tools: the programs that it needs, each with its Debian package.
        per_count: instructions in one count of the clock, at QEMU's one instruction per nanosecond.
    """

    name: str
    words: str
    tools: tuple[tuple[str, str], ...]
    per_count: int

    @property
    def missing(self) -> str:
        """Name the programs that are not installed; empty if all are."""
        programs = [("make", "make"), *self.tools]
        found = [f"{program} (Debian's {package})" for program, package in programs if not shutil.which(program)]
        return f"not installed: {', '.join(found)}" if found else ""

    @property
    def compiler(self) -> str:
        """The compiler's name and version."""
        told = subprocess.run([self.tools[0][0], "--version"], capture_output=True, text=True, check=True)
        return told.stdout.splitlines()[0]


_ARM = (("arm-none-eabi-gcc", "gcc-arm-none-eabi"), ("qemu-system-arm", "qemu-system-arm"))
_RISCV = (("riscv64-unknown-elf-gcc", "gcc-riscv64-unknown-elf"), ("qemu-system-riscv32", "qemu-system-misc"))
TARGETS = {
    target.name: target
    for target in (
        Target("cortex-m4", "Cortex-M4, FPU (mps2-an386)", _ARM, 40),  # its SysTick counts at 25 MHz
        Target("cortex-m7", "Cortex-M7, FPU (mps2-an500)", _ARM, 40),
        Target("rv32imac", "RISC-V rv32imac, no FPU (virt)", _RISCV, 1),
    )
}


@dataclass(frozen=True)
class Run:
    """What the firmware printed.

    Attributes:
        passed: whether the self-test on the processor passed.
        labels: the label of each of N pictures.
        instructions: int64[N], for each picture.
        logits: float32[N, K].
        stack: bytes of stack that were in use at most.
        text: everything that it printed.
    """

    passed: bool
    labels: list[str]
    instructions: NDArray[np.int64]
    logits: NDArray[np.float32]
    stack: int
    text: str


def _make(target: Target, sources: Path, out: Path, *others: str) -> subprocess.CompletedProcess[str]:
    settings = f"TARGET={target.name}", f"MODEL={sources}", f"OUT={out}"
    command = ["make", "-s", "-f", FIRMWARE / "Makefile", *settings, *others]
    return subprocess.run(
        command, cwd=out, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_SECONDS, check=False
    )


def build(target: Target, sources: Path, out: Path, *settings: str) -> None:
    """Build the firmware in a folder, for a folder with ``lenet5.c`` and ``lenet5.h``."""
    made = _make(target, sources, out, *settings)
    assert made.returncode == 0, made.stderr


def printed(target: Target, sources: Path, out: Path, pictures: bytes) -> tuple[int, str]:
    """Run the firmware that was built in ``out``; return make's status and what was printed."""
    (out / "pictures.bin").write_bytes(pictures)
    ended = _make(target, sources, out, "run")
    return ended.returncode, ended.stdout + ended.stderr


def run(target: Target, sources: Path, out: Path, frames: NDArray[np.uint8]) -> Run:
    """Run the firmware that was built in ``out`` on uint8 frames."""
    status, text = printed(target, sources, out, frames.tobytes())
    passed = "self-test passed" in text
    if not passed:
        assert status != 0, text
        return Run(False, [], np.zeros(0, np.int64), np.zeros((0, 0), np.float32), 0, text)
    assert status == 0, text
    (stack,) = re.findall(r"^stack ([0-9a-f]{8})$", text, re.MULTILINE)
    rows = re.findall(r"^(.+?) ([0-9a-f]{8})((?: [0-9a-f]{8})+)$", text, re.MULTILINE)
    counts = np.array([int(count, 16) for _, count, _ in rows], np.int64)
    bits = np.array([[int(each, 16) for each in logits.split()] for *_, logits in rows], np.uint32)
    return Run(
        True, [label for label, *_ in rows], counts * target.per_count, bits.view(np.float32), int(stack, 16), text
    )


@dataclass(frozen=True)
class Sizes:
    """Bytes from the linker map.

    Attributes:
        code: machine code of the network, in flash.
        constants: its weights and other constants, in flash.
        flash: all that lies in flash, with the start-up code, the example and GCC's arithmetic.
        static: all that lies in RAM, besides the stack.
    """

    code: int
    constants: int
    flash: int
    static: int


def sizes(out: Path) -> Sizes:
    """Read the sizes of the firmware that was built in ``out``."""
    text = (out / "firmware.map").read_text().partition("Linker script and memory map")[2]
    network, every = Counter[str](), Counter[str]()
    for section, size in re.findall(r"^ \.(\w+)\S*\s+0x[0-9a-f]+\s+0x([0-9a-f]+) .*lenet5\.o$", text, re.MULTILINE):
        network[section.removeprefix("s")] += int(size, 16)  # RISC-V: .srodata is .rodata that is reached sooner
    for section, size in re.findall(r"^\.(\w+)\s+0x[0-9a-f]+\s+0x([0-9a-f]+)", text, re.MULTILINE):
        every[section] += int(size, 16)
    data = every["data"]  # copied from flash at the start
    return Sizes(
        network["text"],
        network["rodata"] + network["data"],
        every["text"] + every["rodata"] + data,
        data + every["bss"],
    )
