"""What a board tells of itself is read from its files; what it does not have is unknown."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pi_classifier.system.resources import (
    Memory,
    board_name,
    energy_j,
    frequency_mhz,
    own_memory,
)


def put(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return root


def test_a_raspberry_pi_tells_its_name_and_frequency(tmp_path: Path) -> None:
    root = put(
        tmp_path,
        {
            "proc/device-tree/model": "Raspberry Pi 5 Model B Rev 1.0\0",
            "proc/cpuinfo": "model name\t: something else\n",
            "sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq": "2400000\n",
        },
    )
    assert board_name(root) == "Raspberry Pi 5 Model B Rev 1.0"
    assert frequency_mhz(root) == 2400


def test_a_pc_has_the_name_of_its_processor(tmp_path: Path) -> None:
    root = put(tmp_path, {"proc/cpuinfo": "processor\t: 0\nmodel name\t: Some CPU @ 2 GHz\n"})
    assert board_name(root) == "Some CPU @ 2 GHz"


def test_a_board_that_tells_nothing(tmp_path: Path) -> None:
    assert board_name(tmp_path) == "an unknown board"
    assert frequency_mhz(tmp_path) is None
    assert energy_j(tmp_path) is None
    assert own_memory(tmp_path) == Memory(0.0, 0.0, 0.0, 0.0)


def test_energy_of_all_processors_and_no_part_twice(tmp_path: Path) -> None:
    root = put(
        tmp_path,
        {
            "sys/class/powercap/intel-rapl:0/energy_uj": "2000000\n",
            "sys/class/powercap/intel-rapl:0:0/energy_uj": "1500000\n",
            "sys/class/powercap/intel-rapl:1/energy_uj": "500000\n",
        },
    )
    assert energy_j(root) == 2.5


def test_memory_of_this_process_grows_with_what_it_takes() -> None:
    before = own_memory()
    taken = np.ones(20_000_000, np.uint8)
    now = own_memory()
    assert 19 < now.anonymous - before.anonymous < 25
    assert now.resident >= now.anonymous + now.file_backed - 1
    assert now.most >= now.resident - 1
    assert taken.nbytes == 20_000_000
