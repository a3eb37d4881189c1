"""What a bench of this board found, for people and for programs; and beside another one."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pi_classifier import __version__
from pi_classifier.errors import ConfigError
from pi_classifier.inference.interpreter import runtime_identity
from pi_classifier.measuring.board_bench import BoardBench, Spread
from pi_classifier.measuring.recommendation import recommend
from pi_classifier.printable import printable
from pi_classifier.system.files import read_json_object, told
from pi_classifier.system.resources import board_name

_LARGEST_RECORD = 1_000_000
_LARGEST_FIGURE = 1e12
_PERCENTILES = ("p50", "p90", "p99", "most")


def record(found: BoardBench) -> dict[str, Any]:
    """All that was measured as JSON values."""
    settings = found.settings
    return {
        "version": __version__,
        "board": board_name(),
        "python": platform.python_version(),
        "runtime": runtime_identity(settings.model.runtime),
        "model": settings.model.path,
        "threads": settings.model.num_threads,
        "camera": settings.camera.shown_source,
        "frame_size": list(found.frame_size),
        "fps": settings.camera.fps,
        "gate": settings.gate.kind,
        "seconds": found.seconds,
        "frames": found.frames,
        "counted": found.counted,
        "start_s": {"model and camera open": found.opened_s, "first label": found.first_label_s},
        "steps_ms": {name: asdict(one) for name, one in found.steps.items()},
        "interval_ms": None if found.interval is None else asdict(found.interval),
        "jitter_ms": jitter_ms(found.interval),
        "sustained_fps": found.sustained_fps,
        "sustained_ms": {name: asdict(one) for name, one in found.sustained.items()},
        "variants": [asdict(variant) for variant in found.variants],
        "memory_mb": asdict(found.memory),
        "conditions": asdict(found.conditions),
        "joules_per_frame": _joules(found),
        "recommendation": asdict(recommend(found)),
    }


def jitter_ms(interval: Spread | None) -> float | None:
    """How much later than usual one of a hundred frames is done."""
    return None if interval is None else interval.p99 - interval.p50


def _joules(found: BoardBench) -> float | None:
    watts = found.conditions.watts
    return watts * found.seconds / found.frames if watts is not None and found.frames else None


def lines(measured: Mapping[str, Any]) -> Iterator[str]:
    """The lines that a person reads, of a `record`."""
    height, width = measured["frame_size"]
    threads = "1 thread" if measured["threads"] == 1 else f"{measured['threads']} threads"
    yield printable(
        f"pi-classifier, version {measured['version']}, on {measured['board']}, Python "
        f"{measured['python']}, {measured['runtime']}"
    )
    yield printable(
        f"{measured['model']}, {threads}; {measured['camera']}, {width}×{height} at "
        f"{measured['fps']:g} frames/s, gate: {measured['gate']}"
    )
    yield ""
    yield from _steps(measured)
    yield ""
    yield from _whole(measured)
    yield ""
    yield from _choices(measured)
    yield ""
    yield printable(measured["recommendation"]["text"], 2000)


def _steps(measured: Mapping[str, Any]) -> Iterator[str]:
    yield f"{measured['seconds']:.1f} s: {measured['counted']}"
    headings = "".join(f"{name:>10}" for name in _PERCENTILES)
    yield f"{'milliseconds':<36}{'n':>7}{headings}"
    rows = dict(measured["steps_ms"])
    if measured["interval_ms"] is not None:
        rows["from frame to frame"] = measured["interval_ms"]
    for name, one in rows.items():
        figures = "".join(f"{one[key]:10.3f}" for key in _PERCENTILES)
        yield f"{printable(name):<36.36}{one['n']:>7}{figures}"


def _whole(measured: Mapping[str, Any]) -> Iterator[str]:
    if measured["jitter_ms"] is not None:
        yield f"jitter         {measured['jitter_ms']:.1f} ms later than usual is 1 frame of 100"
    yield f"sustained      {measured['sustained_fps']:.0f} frames/s, as fast as it goes"
    start = measured["start_s"]
    yield (
        f"start          {start['first label']:.2f} s to the first label; model and camera are "
        f"open after {start['model and camera open']:.2f} s"
    )
    memory = measured["memory_mb"]
    yield (
        f"memory         {memory['resident']:.1f} MB: {memory['anonymous']:.1f} MB its own, "
        f"{memory['file_backed']:.1f} MB pages of files; at most {memory['most']:.1f} MB"
    )
    seen = measured["conditions"]
    if seen["first_c"] is None:
        heat = "the board does not tell its temperature"
    else:
        heat = f"{seen['first_c']:.0f} °C, at most {seen['hottest_c']:.0f} °C"
    slowed = "slowed down meanwhile" if seen["throttled"] else "not seen to be slowed down"
    yield f"heat           {heat}; {slowed}"
    joules = measured["joules_per_frame"]
    energy = "the board does not tell"
    if joules is not None:
        energy = f"{joules:.2f} J a frame, {seen['watts']:.1f} W, by the processor's own counter"
    yield f"energy         {energy}"


def _choices(measured: Mapping[str, Any]) -> Iterator[str]:
    yield f"{'what could be chosen':<36}{'threads':>7}" + "".join(
        f"{name:>10}" for name in _PERCENTILES
    )
    for one in measured["variants"]:
        figures = "".join(f"{one['frame'][key]:10.3f}" for key in _PERCENTILES)
        yield f"{printable(_short(one['model'])):<36.36}{one['threads']:>7}{figures}"


def _short(model: str) -> str:
    return "/".join(Path(model).parts[-2:])


def read_other(path: Path) -> dict[str, Any]:
    """A record that `--json` wrote. Raises ConfigError."""
    try:
        other = read_json_object(path, _LARGEST_RECORD)
    except FileNotFoundError:
        raise ConfigError(
            f"--compare {path}: no such file; make it on the other board, or with the other "
            f"settings: pi-classifier bench --json > {path.name}"
        ) from None
    except OSError as error:
        raise ConfigError(f"--compare {path}: cannot be read ({told(error)})") from error
    except ValueError as error:
        raise ConfigError(
            f"--compare {path}: is not what 'pi-classifier bench --json' prints ({error})"
        ) from error
    if not isinstance(other.get("steps_ms"), dict) or "memory_mb" not in other:
        raise ConfigError(f"--compare {path}: is not what 'pi-classifier bench --json' prints")
    return other


def comparison(measured: Mapping[str, Any], other: Mapping[str, Any]) -> Iterator[str]:
    """This bench beside another one, figure by figure."""
    yield printable(f"beside {other.get('board')}, {other.get('model')}, {other.get('camera')}")
    yield f"{'':<44}{'this':>12}{'the other':>12}{'ratio':>8}"
    theirs = dict(_figures(other))
    for name, ours in _figures(measured):
        if name in theirs:
            ratio = f"{ours / theirs[name]:8.2f}" if theirs[name] else ""
            yield f"{printable(name):<44.44}{ours:12.3f}{theirs[name]:12.3f}{ratio}"


def _figures(measured: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """The figures that are compared, by name; a record may come from anywhere."""
    for name, one in measured["steps_ms"].items():
        if isinstance(one, Mapping):
            yield from _numbers((f"{name}, {key}, ms", one.get(key)) for key in ("p50", "p99"))
    memory = measured["memory_mb"] if isinstance(measured["memory_mb"], Mapping) else {}
    start = measured.get("start_s")
    yield from _numbers(
        (
            ("jitter, ms", measured.get("jitter_ms")),
            ("sustained, frames/s", measured.get("sustained_fps")),
            ("first label, s", start.get("first label") if isinstance(start, Mapping) else None),
            ("memory, MB", memory.get("resident")),
            ("memory of its own, MB", memory.get("anonymous")),
            ("joules a frame", measured.get("joules_per_frame")),
        )
    )


def _numbers(named: Any) -> Iterator[tuple[str, float]]:
    for name, value in named:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if number and abs(value) < _LARGEST_FIGURE:  # NaN is not
            yield name, float(value)
