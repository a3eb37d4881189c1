"""A disk that is full ends a training with one sentence; nothing half-written stays."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

# Kilobytes: no room; room for a part of the weights, and of their file's end; room for all.
SIZES = (8, 400, 890, 4000)

PROGRAM = """
import json, os, subprocess, sys, tempfile
from pathlib import Path
from pi_classifier_training.data.dataset import decode, scan, squeeze
from pi_classifier_training.retraining.run_folder import RunFolder

run, photos, disk = map(Path, sys.argv[1:4])
network = RunFolder(run).load()
chosen = scan([photos])
tempfile.tempdir = os.environ["TMPDIR"] = str(disk)


def tried(action):
    try:
        action()
    except OSError as error:
        return error.strerror
    return "done"


for size in sys.argv[4].split(","):
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}k", "none", disk], check=True)
    told = {"decoded": tried(lambda: decode(chosen, network.labels, squeeze(96), 96))}
    told["saved"] = tried(lambda: RunFolder(disk / "run").save(network, {}))
    told["left"] = sorted(path.name for path in disk.rglob("*") if path.is_file())
    print(json.dumps(told), flush=True)
    subprocess.run(["umount", disk], check=True)
"""


def test_no_size_of_disk_ends_the_program(run: Path, photos: Path, tmp_path: Path) -> None:
    """Where HDF5 or a mapped file found out by themselves, a signal would end it."""
    places = [str(run), str(photos), str(tmp_path), ",".join(map(str, SIZES))]
    result = subprocess.run(
        # Mounts of its own, where it may mount: root here, whoever it is outside.
        [
            *("unshare", "--user", "--map-root-user", "--mount"),
            *(sys.executable, "-c", PROGRAM, *places),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    records = [json.loads(line) for line in result.stdout.splitlines()]
    full = "No space left on device"
    assert [record["saved"] for record in records] == [full, full, full, "done"]
    no_room = (
        f"no room there for 180 decoded photos, 5 MB ({full}); free some space, or set the "
        "variable TMPDIR to a folder that has it"
    )
    assert [record["decoded"] for record in records] == [no_room] * 4
    assert [record["left"] for record in records[:3]] == [[], [], []]
    assert records[3]["left"] == ["labels.txt", "network.weights.h5", "run.json"]
