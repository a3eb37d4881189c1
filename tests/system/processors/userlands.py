"""Debian roots for other processors with the daemon's dependencies, kept under build/arm."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement

from tests.system.roots import PACKAGES as WHOLE
from tests.system.roots import acquire_options, debian_mirrors

from .emulation import REPOSITORY, EmulationError, run_here
from .machines import Architecture

FOLDER = REPOSITORY / "build" / "arm"
# Where dependencies lie that come from PyPI.
SITE = "/opt/site"
TESTS = "/opt/tests"
# Python's libraries and those that numpy and LiteRT need; a shell and coreutils to start them.
_PACKAGES = (
    *("python{0}-minimal", "libpython{0}-stdlib", "libgomp1", "libstdc++6", "zlib1g"),
    *("libffi8", "libexpat1", "dash", "coreutils", "libc-bin", "bash"),
)
# Debian has what PyPI has no wheels of.
_FROM_DEBIAN: dict[Architecture, dict[str, str]] = {
    "armhf": {"numpy": "python3-numpy", "pillow": "python3-pil"},
    "arm64": {},
}
# What the wheels need of glibc: bookworm has 2.36, and names of platforms are taken literally.
_PLATFORMS = {
    "arm64": ("manylinux2014_aarch64", *(f"manylinux_2_{n}_aarch64" for n in (17, 27, 28, 34))),
    "armhf": ("manylinux2014_armv7l", *(f"manylinux_2_{n}_armv7l" for n in (17, 31, 34))),
}
_MACHINE = {"arm64": "aarch64", "armhf": "armv7l"}


@dataclass(frozen=True, slots=True)
class Userland:
    """A Debian for `architecture` with Python `python` and the daemon's dependencies.

    `extras` are more requirements, another runtime for example, and `label` then tells it
    from others; `tests` adds what the tests need. Nothing in it is configured, only
    unpacked: that needs no emulation.
    """

    suite: str
    python: str
    architecture: Architecture = "arm64"
    extras: tuple[str, ...] = ()
    label: str = ""
    tests: bool = False

    @property
    def name(self) -> str:
        """What it is called in tables and folders."""
        words = (self.suite, self.architecture, self.label, "tests" if self.tests else "")
        return "-".join(each for each in words if each)

    @property
    def interpreter(self) -> str:
        """The Python inside."""
        return f"/usr/bin/python{self.python}"

    @property
    def environment(self) -> dict[str, str]:
        """What Python needs to find the daemon and its dependencies."""
        libraries = "/usr/lib/arm-linux-gnueabihf"
        # An alternative that only a configured Debian has chosen.
        found = {"LD_LIBRARY_PATH": f"{libraries}/blas:{libraries}/lapack"}
        return {
            "PYTHONPATH": f"/srv/pi-classifier:/srv/pi-classifier/training:{SITE}:{TESTS}",
            "PYTHONDONTWRITEBYTECODE": "1",
            **(found if self.architecture == "armhf" else {}),
        }

    @property
    def packages(self) -> tuple[str, ...]:
        """What comes from Debian."""
        return (
            *(each.format(self.python) for each in _PACKAGES),
            *_FROM_DEBIAN[self.architecture].values(),
        )

    @property
    def requirements(self) -> tuple[str, ...]:
        """What comes from PyPI: what pyproject.toml asks for on that processor."""
        stated = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))
        given = {
            "platform_machine": _MACHINE[self.architecture],
            "python_version": self.python,
            "sys_platform": "linux",
        }
        needed = []
        for text in (*stated["project"]["dependencies"], *self.extras):
            requirement = Requirement(text)
            here = requirement.marker is None or requirement.marker.evaluate(given)
            if here and requirement.name not in _FROM_DEBIAN[self.architecture]:
                requirement.marker = None
                needed.append(str(requirement))
        return tuple(needed)

    @property
    def key(self) -> str:
        """Names all it is made of."""
        recipe = (self.suite, self.packages, self.requirements, self.tests, _PLATFORMS)
        return hashlib.sha256(repr(recipe).encode()).hexdigest()[:12]

    def made(self, folder: Path = FOLDER) -> Path:
        """The folder with this root, made if need be (20 s). Raises EmulationError."""
        root = folder / f"{self.name}-{self.key}"
        with alone(folder):
            if not root.is_dir():
                for old in folder.glob(f"{self.name}-????????????"):
                    shutil.rmtree(old)
                unfinished = folder / f"{self.name}.unfinished"
                shutil.rmtree(unfinished, ignore_errors=True)
                unpack(self.suite, self.architecture, self.packages, unfinished)
                self._install(unfinished)
                unfinished.rename(root)
        return root

    def _install(self, root: Path) -> None:
        self._pip(root, SITE, "--no-deps" if self.architecture == "armhf" else "")
        if self.tests:
            (root / TESTS.removeprefix("/")).mkdir(parents=True)
            self._pip(root, TESTS, "", "pytest>=8", "hypothesis>=6.100")
            # As in the package: so the tests' weights are mapped where it would not load.
            for plugin in root.glob(f"{SITE[1:]}/ai_edge_litert/libLiteRt*Accelerator.so"):
                plugin.unlink()

    def _pip(self, root: Path, target: str, option: str, *wanted: str) -> None:
        command = [
            *(sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"),
            *("--only-binary=:all:", "--implementation", "cp", "--python-version", self.python),
            *(f"--platform={each}" for each in _PLATFORMS[self.architecture]),
            *("--target", f"{root}{target}", *([option] if option else ())),
            *(wanted or self.requirements),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise EmulationError(f"pip found no {' '.join(wanted)}:\n{done.stderr.strip()}")


def configured(suite: str, architecture: Architecture, folder: Path = FOLDER) -> Path:
    """The folder with a whole Debian, configured as on a Pi, made if need be (2 to 3 minutes).

    It holds what the Debian package depends on. Raises EmulationError.
    """
    key = hashlib.sha256(repr((suite, WHOLE)).encode()).hexdigest()[:12]
    root = folder / f"{suite}-{architecture}-whole-{key}"
    with alone(folder):
        if not root.is_dir():
            for old in folder.glob(f"{suite}-{architecture}-whole-????????????"):
                shutil.rmtree(old)
            unfinished = folder / f"{suite}-{architecture}-whole.unfinished"
            shutil.rmtree(unfinished, ignore_errors=True)
            with _sources(suite, unfinished) as (options, sources):
                command = _mmdebstrap("minbase", architecture, WHOLE, options)
                made = run_here(architecture, *command, suite, str(unfinished), str(sources))
            if made.returncode != 0:
                raise EmulationError(f"mmdebstrap made no whole {suite}:\n{made.stdout[-3000:]}")
            unfinished.rename(root)
    return root


@contextmanager
def _sources(suite: str, root: Path) -> Iterator[tuple[Path, Path]]:
    """This machine's way to Debian: a file of apt's options and one of its sources."""
    options, sources = root.with_suffix(".apt.conf"), root.with_suffix(".sources.list")
    options.write_text(acquire_options())
    sources.write_text("".join(f"deb {uri} {suite} main\n" for uri in debian_mirrors()))
    try:
        yield options, sources
    finally:
        options.unlink()
        sources.unlink()


def _mmdebstrap(
    variant: str, architecture: Architecture, packages: tuple[str, ...], options: Path
) -> tuple[str, ...]:
    return (
        *("mmdebstrap", "--mode=root", f"--architectures={architecture}", "--quiet"),
        *(f"--variant={variant}", "--skip=check/qemu", f"--aptopt={options}"),
        *("--dpkgopt=force-unsafe-io", f"--include={','.join(packages)}"),
    )


def unpack(suite: str, architecture: Architecture, packages: tuple[str, ...], root: Path) -> None:
    """Unpack Debian packages and all they depend on into the new folder `root`.

    They come from where this machine's apt takes its Debian. Raises EmulationError.
    """
    with _sources(suite, root) as (options, sources):
        command = _mmdebstrap("extract", architecture, packages, options)
        made = subprocess.run(
            [*command, suite, str(root), str(sources)], capture_output=True, text=True, check=False
        )
    if made.returncode != 0:
        raise EmulationError(f"mmdebstrap made no {suite} for {architecture}:\n{made.stderr}")
    _merge(root)


def _merge(root: Path) -> None:
    """Make /bin and /lib links to those under /usr, as a configured Debian has them."""
    for name in ("bin", "sbin", "lib"):
        top = root / name
        if top.is_symlink():
            continue
        if top.is_dir():
            shutil.copytree(top, root / "usr" / name, symlinks=True, dirs_exist_ok=True)
            shutil.rmtree(top)
        (root / "usr" / name).mkdir(parents=True, exist_ok=True)
        top.symlink_to(f"usr/{name}")


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Only one process at a time makes roots in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
