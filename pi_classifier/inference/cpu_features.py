"""What the processor at hand can do, as the kernel tells every program at its start."""

from __future__ import annotations

import ctypes
import functools
import platform

# From Linux: include/uapi/linux/auxvec.h and arch/arm64/include/uapi/asm/hwcap.h.
_AT_HWCAP = 16
_HWCAP_ATOMICS = 1 << 8


def lacks_atomics(machine: str, hwcap: int) -> bool:
    """Whether a `machine` with these capabilities is a 64-bit ARM without LSE atomics.

    Armv8.1 brought them: Cortex-A53 and A72 (Raspberry Pi Zero 2 W, 3 and 4) have none,
    Cortex-A76 (Raspberry Pi 5) has.
    """
    return machine in ("aarch64", "arm64") and not hwcap & _HWCAP_ATOMICS


@functools.cache
def hwcap() -> int:
    """The processor's capabilities as bits; 0 where the C library does not tell."""
    try:
        getauxval = ctypes.CDLL(None).getauxval
    except (OSError, AttributeError):
        return 0
    getauxval.restype = ctypes.c_ulong
    getauxval.argtypes = (ctypes.c_ulong,)
    return int(getauxval(_AT_HWCAP))


def this_lacks_atomics() -> bool:
    """Whether this very processor is a 64-bit ARM without LSE atomics."""
    return lacks_atomics(platform.machine(), hwcap())
