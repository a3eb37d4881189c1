"""systemd has nothing to complain about in the units, on either Debian they run on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .box import Box, File

SYSTEMD = Path(__file__).resolve().parents[2] / "systemd"
SYSTEM = "/usr/lib/systemd/system"
USER = "/usr/lib/systemd/user"


@pytest.fixture(scope="module", params=["bookworm", "trixie"])
def debian(request: pytest.FixtureRequest) -> Iterator[Box]:
    root = request.getfixturevalue(f"{request.param}_root")
    files: dict[str, str | bytes | File] = {
        f"{SYSTEM}/{path.name}": path.read_text() for path in SYSTEMD.glob("*.service")
    }
    files |= {f"{USER}/{path.name}": path.read_text() for path in SYSTEMD.glob("user/*.service")}
    for example in ("network.conf", "on-failure.conf"):
        text = (SYSTEMD / "examples" / example).read_text()
        files[f"{SYSTEM}/pi-classifier.service.d/{example}"] = text
    files["/usr/bin/pi-classifier"] = File("#!/bin/sh\n", 0o755)
    files["/etc/systemd/system/wrong.service"] = "[Service]\nExecStart=/bin/true\nNicee=5\n"
    with Box(root, files=files, target="basic.target") as box:
        yield box


@pytest.mark.parametrize(
    ("unit", "options"),
    [
        ("pi-classifier.service", ()),
        ("pi-classifier@front.service", ()),
        ("pi-classifier-failed@pi-classifier.service", ()),
        ("pi-classifier-demo.service", ("--user",)),
    ],
)
def test_there_is_nothing_to_complain_about(
    debian: Box, unit: str, options: tuple[str, ...]
) -> None:
    folder = USER if options else SYSTEM
    command = ("env", "XDG_RUNTIME_DIR=/run", "systemd-analyze", "verify", "--man=no", *options)
    done = debian.run(*command, f"{folder}/{unit}", check=False)
    assert (done.returncode, done.stdout) == (0, "")  # complaints do not change the exit code


def test_complaints_would_be_heard(debian: Box) -> None:
    done = debian.run(
        "systemd-analyze", "verify", "--man=no", "/etc/systemd/system/wrong.service", check=False
    )
    assert "Nicee" in done.stdout
