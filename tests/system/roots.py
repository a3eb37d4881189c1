"""Clean Debian roots for the boxes, made by mmdebstrap once and kept under build/system.

They come from wherever this machine's apt takes its Debian (mirror, snapshot, proxy): its
sources are asked, not named here. A root is made anew when its recipe changes.
"""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "build" / "system"

# What a Debian has before the package comes, and all the package depends on: the boxes
# have no network.
PACKAGES = (
    *("systemd", "systemd-sysv", "dbus", "udev", "init-system-helpers"),
    *("python3", "python3-numpy", "python3-pil", "python3-systemd"),
    *("espeak-ng", "libespeak-ng1", "alsa-utils"),
    "python3-cryptography",  # for an encrypted model
    "python3-venv",  # for install.sh
)
# Pages that nobody reads there; the rest is as Debian makes it.
_LEFT_OUT = ("/usr/share/man/*", "/usr/share/doc/*", "/usr/share/locale/*", "/usr/share/info/*")
_DAY_S = 86_400
_NOT_FOR_ROOTS = ("IndexTargets", "Changelogs", "CompressionTypes")


class RootError(Exception):
    """No root could be made; the message says why."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """What is in a root."""

    suite: str
    packages: tuple[str, ...] = PACKAGES
    left_out: tuple[str, ...] = _LEFT_OUT

    @property
    def key(self) -> str:
        return hashlib.sha256(repr(self).encode()).hexdigest()[:12]


def missing_for_roots() -> str:
    """What this machine lacks to make a root, in words; empty when nothing."""
    if shutil.which("mmdebstrap") is None:
        return "making a Debian root needs mmdebstrap (apt package mmdebstrap)"
    if shutil.which("apt-get") is None:
        return "making a Debian root needs apt, and sources of Debian for it"
    return ""


def debian_root(recipe: Recipe, folder: Path = FOLDER) -> Path:
    """The folder with this root, made if need be (40 s); never write into it.

    One that was written into all the same (packages installed or removed) is made anew.
    Raises RootError.
    """
    root = folder / f"{recipe.suite}-{recipe.key}"
    seal = root.with_suffix(".seal")
    with _alone(folder):
        if not (root.is_dir() and seal.exists() and seal.read_text() == _installed(root)):
            _remove_old(folder, recipe.suite)
            shutil.rmtree(root, ignore_errors=True)
            unfinished = root.with_suffix(".unfinished")
            shutil.rmtree(unfinished, ignore_errors=True)
            _make(recipe, unfinished)
            unfinished.rename(root)
            seal.write_text(_installed(root))
    return root


def _installed(root: Path) -> str:
    """What tells whether packages were installed or removed."""
    return hashlib.sha256((root / "var/lib/dpkg/status").read_bytes()).hexdigest()


def _remove_old(folder: Path, suite: str) -> None:
    for old in folder.glob(f"{suite}-*"):
        # one of today may be in use by other tests
        if old.is_dir() and time.time() - old.stat().st_ctime > _DAY_S:
            shutil.rmtree(old)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Only one at a time makes roots."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _make(recipe: Recipe, root: Path) -> None:
    options = root.with_suffix(".apt.conf")
    options.write_text(acquire_options())
    sources = "".join(f"deb {uri} {recipe.suite} main\n" for uri in debian_mirrors())
    made = subprocess.run(
        [
            *("mmdebstrap", "--mode=root", "--variant=minbase", "--quiet"),
            f"--include={','.join(recipe.packages)}",
            f"--aptopt={options}",
            "--dpkgopt=force-unsafe-io",
            *(f"--dpkgopt=path-exclude={each}" for each in recipe.left_out),
            *(recipe.suite, str(root), "-"),
        ],
        input=sources,
        text=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        check=False,
    )
    options.unlink()
    if made.returncode != 0:
        shutil.rmtree(root, ignore_errors=True)
        raise RootError(f"mmdebstrap made no {recipe.suite}:\n{made.stderr}")


def debian_mirrors() -> list[str]:
    """Where this machine's apt gets its Debian from; asks apt to look when it never has."""
    found = list(_mirrors_in(_lines("apt-get", *_TARGETS)))
    if not found:
        _lines("apt-get", "update", "-qq")
        found = list(_mirrors_in(_lines("apt-get", *_TARGETS)))
    if not found:
        raise RootError("apt knows no source of Debian's main archive on this machine")
    return found


_TARGETS = (
    "indextargets",
    "--format",
    "$(REPO_URI) $(COMPONENT) $(ORIGIN)/$(LABEL) $(CODENAME)",
    "Created-By: Packages",
)


def _mirrors_in(lines: Iterable[str]) -> Iterator[str]:
    seen = set()
    for line in lines:
        uri, component, archive, codename = line.split(" ", 3)
        # not the archives of updates: every suite has them elsewhere
        whole = archive == "Debian/Debian" and component == "main" and "-" not in codename
        if whole and uri not in seen:
            seen.add(uri)
            yield uri


def acquire_options() -> str:
    """How this machine's apt fetches (proxies, certificates), as lines of apt.conf."""
    words = tuple(f"Acquire::{each}" for each in _NOT_FOR_ROOTS)
    lines = _lines("apt-config", "dump", "Acquire")
    kept = [line for line in lines if not line.startswith(words)]
    # several indexes for desktops would be fetched and never read
    return "\n".join([*kept, 'Acquire::Languages:: "none";', ""])


def _lines(*command: str) -> list[str]:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RootError(f"{' '.join(command)}: {done.stderr}")
    return done.stdout.splitlines()
