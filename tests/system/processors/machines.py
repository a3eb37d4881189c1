"""The processors that are emulated: how QEMU calls them, what Linux says of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Architecture = Literal["arm64", "armhf"]

_ARM = 0x41
_FUJITSU = 0x46
# What the kernel of Raspberry Pi OS lists in /proc/cpuinfo. The boards' Cortex-A53 and A72
# were built without the instructions for encryption, QEMU's have them; nothing here uses them.
_V8 = "fp asimd evtstrm crc32 cpuid"
_V8_2 = (
    "fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc "
    "dcpop asimddp"
)
_V7 = "half thumb fastmult vfp edsp neon vfpv3 tls vfpv4 idiva idivt vfpd32 lpae evtstrm"
_V8_IN_32_BITS = f"{_V7} crc32"


@dataclass(frozen=True, slots=True)
class Processor:
    """One of QEMU's processors.

    `implementer`, `part`, `variant` and `revision` are its main ID register's, from Arm's
    manuals: XNNPACK's cpuinfo library reads them from /proc/cpuinfo, where QEMU would show
    those of the machine it runs on (and LiteRT then crashes), and chooses code by them. What
    instructions there are it learns from QEMU itself. `boards` is for people.
    """

    name: str
    architecture: Architecture
    boards: str
    part: int
    features: str
    variant: int = 0
    revision: int = 0
    implementer: int = _ARM

    def cpuinfo(self, cores: int = 4) -> str:
        """The text of /proc/cpuinfo on this processor."""
        lines = (
            "BogoMIPS\t: 108.00",
            f"Features\t: {self.features}",
            f"CPU implementer\t: {self.implementer:#04x}",
            f"CPU architecture: {7 if self.features == _V7 else 8}",
            f"CPU variant\t: {self.variant:#x}",
            f"CPU part\t: {self.part:#05x}",
            f"CPU revision\t: {self.revision}",
        )
        each = "".join(f"{line}\n" for line in lines)
        return "".join(f"processor\t: {core}\n{each}\n" for core in range(cores))


PROCESSORS = (
    Processor("cortex-a53", "arm64", "Zero 2 W, 3", 0xD03, _V8, revision=4),
    Processor("cortex-a72", "arm64", "4", 0xD08, _V8, revision=3),
    Processor("cortex-a76", "arm64", "5", 0xD0B, _V8_2, variant=4, revision=1),
    Processor("cortex-a35", "arm64", "", 0xD04, _V8),
    Processor("cortex-a57", "arm64", "", 0xD07, _V8, variant=1),
    Processor("neoverse-n1", "arm64", "", 0xD0C, _V8_2, variant=4, revision=1),
    Processor("a64fx", "arm64", "", 0x001, f"{_V8_2} sve", variant=1, implementer=_FUJITSU),
    # QEMU 7.2's arithmetic of SME is wrong, or LiteRT's: scores are, and the self-test says so.
    Processor("max", "arm64", "", 0xD0B, f"{_V8_2} sve i8mm bf16", variant=4),
    Processor("max,sme=off", "arm64", "", 0xD0B, f"{_V8_2} sve i8mm bf16", variant=4),
    Processor("cortex-a7", "armhf", "2", 0xC07, _V7, revision=5),
    Processor("max", "armhf", "Zero 2 W, 3 with 32 bits", 0xD03, _V8_IN_32_BITS, revision=4),
)
# One for each kind of board.
BOARDS = tuple(each for each in PROCESSORS if each.boards and each.name.startswith("cortex"))


def processor(name: str, architecture: Architecture = "arm64") -> Processor:
    """The processor QEMU calls `name`; raises LookupError."""
    for each in PROCESSORS:
        if (each.name, each.architecture) == (name, architecture):
            return each
    known = ", ".join(each.name for each in PROCESSORS if each.architecture == architecture)
    raise LookupError(f"{name!r} is no {architecture} processor known here; there are {known}")
