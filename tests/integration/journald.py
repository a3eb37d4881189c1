"""A real journal for tests: systemd-journald in a mount namespace of its own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from systemd import journal

ROOT = Path(__file__).resolve().parents[2]
JOURNALD = Path("/lib/systemd/systemd-journald")
PROGRAM = [sys.executable, "-m", "pi_classifier"]

CONFIGURATION = """[Journal]
Storage=volatile
RuntimeMaxUse=64M
ReadKMsg=no
Audit=no
ForwardToSyslog=no
ForwardToWall=no
RateLimitBurst=0
"""

# $1 is journald's configuration, $2 the folder of a catalog's database, or nothing
NAMESPACE = """
mount -t tmpfs none /run && mkdir -p /run/systemd/journald.conf.d
cp "$1" /run/systemd/journald.conf.d/tests.conf
if [ -n "$2" ]; then mount --bind "$2" /var/lib/systemd/catalog || exit 1; fi
echo ready
exec sleep infinity
"""

# What systemd does for a service: stderr is a stream to the journal, and JOURNAL_STREAM names it.
SERVICE = """
import os, socket, sys
stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
stream.connect("/run/systemd/journal/stdout")
stream.sendall(b"a-service\\n\\n6\\n1\\n0\\n0\\n0\\n")
os.dup2(stream.fileno(), 2)
status = os.fstat(2)
os.environ["JOURNAL_STREAM"] = f"{status.st_dev}:{status.st_ino}"
os.execv(sys.argv[1], sys.argv[1:])
"""


class Journal:
    """A namespace with its own /run, and a journald in it that can be killed and started."""

    def __init__(self, holder: subprocess.Popen[str], *, user: bool) -> None:
        self._holder = holder.pid
        into = [f"--target={holder.pid}", "--mount", f"--wd={ROOT}"]
        self._enter = ["nsenter", *into, *(["--user", "--preserve-credentials"] if user else [])]
        self._journald: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start journald and wait until it listens."""
        self.run("rm", "-f", "/run/systemd/journal/socket")
        self._journald = subprocess.Popen(
            [*self._enter, str(JOURNALD)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        for _ in range(1000):
            if self.run("test", "-S", "/run/systemd/journal/socket", check=False) == "0":
                return
            time.sleep(0.01)
        raise AssertionError("journald does not listen")

    def signal(self, signum: int) -> None:
        """Send journald a signal; wait for its end if it is SIGKILL."""
        assert self._journald is not None
        self._journald.send_signal(signum)
        if signum == signal.SIGKILL:
            self._journald.wait()

    def close(self) -> None:
        """End journald."""
        if self._journald is not None:
            self._journald.kill()
            self._journald.wait()

    @contextmanager
    def popen(self, *argv: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
        """Start a program as a service's main process: its stderr is the journal.

        It is killed on leaving, if it has not ended.
        """
        with subprocess.Popen(
            [*self._enter, sys.executable, "-c", SERVICE, *argv],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    def service(self, *argv: str, **environment: str) -> int:
        """Run a program as a service's main process; returns its exit status."""
        with self.popen(*argv, **environment) as process:
            process.communicate(timeout=60)
        return process.returncode

    def run(self, *argv: str, check: bool = True) -> str:
        """Run a command in the namespace: what it prints, or with check=False its status."""
        done = subprocess.run(
            [*self._enter, *argv], capture_output=True, text=True, check=False, timeout=60
        )
        if not check:
            return str(done.returncode)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def entries(self, *matches: str) -> list[dict[str, Any]]:
        """The entries with all these fields, oldest first, as `systemd.journal.Reader` gives."""
        self.run("journalctl", "--sync")
        with journal.Reader(path=f"/proc/{self._holder}/root/run/log/journal") as reader:
            for match in matches:
                reader.add_match(match)
            return list(reader)


@contextmanager
def private_journal(folder: Path, catalog: Path | None = None) -> Iterator[Journal]:
    """A namespace for a journal, as root or in a user namespace; skips where there is none.

    `catalog` is the folder of a catalog's database.
    """
    if not JOURNALD.exists() or shutil.which("journalctl") is None:
        pytest.skip("SKIPPED: needs a real journald, which scripts/test installs (apt systemd)")
    configuration = folder / "journald.conf"
    configuration.write_text(CONFIGURATION, encoding="utf-8")
    user = os.geteuid() != 0
    unshare = ["unshare", *(["--map-root-user"] if user else []), "--mount"]
    holder = subprocess.Popen(
        [*unshare, "sh", "-c", NAMESPACE, "sh", str(configuration), str(catalog or "")],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert holder.stdout is not None
        if holder.stdout.readline() != "ready\n":
            pytest.skip("SKIPPED: needs a mount namespace of its own; run as root")
        private = Journal(holder, user=user)
        try:
            yield private
        finally:
            private.close()
    finally:
        holder.kill()
        holder.communicate()


def python(program: str, *arguments: str) -> Sequence[str]:
    """The words that run a Python program."""
    return (sys.executable, "-c", program, *arguments)
