"""Who has a device open, asked of the real /proc."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from pi_classifier.system.open_files import processes_using


def test_processes_that_have_a_device_open_are_named(tmp_path: Path) -> None:
    device = tmp_path / "video0"
    device.touch()
    assert processes_using(device) == []
    script = "import sys; f = open(sys.argv[1]); print('open', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", script, str(device)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as other:
        assert other.stdout is not None
        other.stdout.readline()
        (user,) = processes_using(device)
        other.communicate()
    assert user.endswith(f"(process {other.pid})")
    assert user.startswith("python")
    with device.open():
        assert processes_using(tmp_path / "other", device) == ["this program itself"]
