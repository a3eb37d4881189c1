"""The lock files' writer: which wheels are ours, what is needed where, which versions stay."""

from __future__ import annotations

import importlib.util
import itertools
from pathlib import Path
from typing import Any

import pytest
from packaging.markers import Marker

PROGRAM = Path(__file__).parents[3] / "requirements" / "lock.py"


@pytest.fixture(scope="module")
def lock() -> Any:
    """The writer; a script, and in no package."""
    spec = importlib.util.spec_from_file_location("lock", PROGRAM)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("tags", "ours"),
    [
        ("py3-none-any", True),
        ("py2.py3-none-any", True),
        ("cp311-cp311-manylinux_2_28_x86_64", True),
        ("cp313-cp313-manylinux2014_aarch64.manylinux_2_17_aarch64", True),
        ("cp38-abi3-manylinux_2_17_armv7l", True),
        ("py3-none-manylinux_2_17_x86_64", True),
        ("cp310-cp310-manylinux_2_28_x86_64", False),
        ("cp314-cp314-manylinux_2_28_x86_64", False),
        ("cp314-abi3-manylinux_2_28_x86_64", False),
        ("cp313-cp313t-manylinux_2_28_x86_64", False),
        ("pp311-pypy311_pp73-manylinux_2_28_x86_64", False),
        ("cp312-cp312-musllinux_1_2_x86_64", False),
        ("cp312-cp312-macosx_11_0_arm64", False),
        ("cp312-cp312-win_amd64", False),
        ("cp312-cp312-manylinux_2_17_i686", False),
        ("py2-none-any", False),
    ],
)
def test_wheels_that_one_of_our_computers_can_install(lock: Any, tags: str, ours: bool) -> None:
    assert lock._is_installable(f"a_package-1.0-{tags}.whl") is ours


EVERYWHERE = set(itertools.product(("3.11", "3.12", "3.13"), ("x86_64", "aarch64", "armv7l")))


@pytest.mark.parametrize(
    "places",
    [
        EVERYWHERE,
        {place for place in EVERYWHERE if place[0] == "3.11"},
        {place for place in EVERYWHERE if place[1] != "armv7l"},
        {("3.11", "armv7l")},
        EVERYWHERE - {("3.11", "armv7l")},
    ],
    ids=["everywhere", "a Python", "64 bits", "one place", "all but one"],
)
def test_a_marker_names_exactly_the_places(lock: Any, places: set[tuple[str, str]]) -> None:
    text = lock._marker(places)
    assert bool(text) == (places != EVERYWHERE)
    marker = Marker(text.removeprefix(" ; ")) if text else None
    for python, machine in EVERYWHERE:
        environment = lock._environment(python, machine)
        needed = marker is None or marker.evaluate(environment)
        assert needed == ((python, machine) in places)


def test_a_package_is_written_without_the_place_it_lies_at(lock: Any) -> None:
    def file(name: str, digit: str) -> dict[str, Any]:
        return {"url": f"https://index.example/ab/{name}", "hashes": {"sha256": digit * 64}}

    package: dict[str, Any] = {
        "name": "a-package",
        "version": "1.0",
        "marker": "sys_platform == 'linux' and python_full_version < '3.12'",
        "wheels": [
            file("a_package-1.0-cp311-cp311-manylinux_2_28_x86_64.whl", "b"),
            file("a_package-1.0-cp311-cp311-win_amd64.whl", "c"),
        ],
        "sdist": file("a_package-1.0.tar.gz", "a"),
    }
    assert list(lock._lines(package)) == [
        "a-package==1.0 ; python_version == '3.11' \\",
        f"    --hash=sha256:{'a' * 64} \\",
        f"    --hash=sha256:{'b' * 64}",
    ]
    del package["sdist"], package["wheels"][0]
    with pytest.raises(SystemExit, match="nothing to install it from"):
        list(lock._lines(package))


def test_versions_stay_where_nothing_contradicts_them(lock: Any) -> None:
    pins = ["numpy==2.4.6", "pillow==13.0.0 ; python_version == '3.11'", "six==1.17.0"]
    assert lock._without(pins, ["numpy<2", "pillow>=9.4", "av"]) == pins[1:]
