"""What a board tells of itself is read from its files; what it does not have is unknown."""

from __future__ import annotations

import os
from pathlib import Path

from pi_classifier.system.resources import (
    Memory,
    board_name,
    energy_j,
    frequency_mhz,
    own_memory,
    process_age_s,
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


def test_memory_is_read_by_its_kinds(tmp_path: Path) -> None:
    status = "Name:\tpython\nVmHWM:\t 62500 kB\nVmRSS:\t 50000 kB\nRssAnon:\t 20000 kB\n"
    status += "RssFile:\t 25000 kB\nRssShmem:\t 5000 kB\nThreads:\t1\n"
    found = own_memory(put(tmp_path, {"proc/self/status": status}))
    assert found == Memory(51.2, 20.48, 30.72, 64.0)


def test_this_process_has_memory() -> None:
    found = own_memory()
    assert found.most > 5
    assert min(found.resident, found.anonymous, found.file_backed) > 1


def test_the_age_of_a_process_is_counted_from_its_start(tmp_path: Path) -> None:
    fields = ["0"] * 50
    fields[19] = str(100 * os.sysconf("SC_CLK_TCK"))
    stat = f"77 (a b) c) {' '.join(fields)}\n"
    root = put(tmp_path, {"proc/self/stat": stat, "proc/uptime": "102.50 7.00\n"})
    assert process_age_s(root) == 2.5
    assert process_age_s(tmp_path / "nowhere") == 0
    assert 0 < process_age_s() < 86_400
