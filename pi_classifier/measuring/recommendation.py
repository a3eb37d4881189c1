"""One recommendation from what was measured: threads, model, size of pictures, frame rate."""

from __future__ import annotations

from dataclasses import dataclass

from pi_classifier.measuring.board_bench import BoardBench, Variant
from pi_classifier.measuring.stopwatch import CLASSIFY, FRAME

# Of the time between two frames; the rest is for other programs, and for a warmer day.
_SHARE_IN_USE = 0.7
_RATES = (30.0, 25.0, 20.0, 15.0, 10.0, 8.0, 5.0, 4.0, 3.0, 2.0, 1.0, 0.5)
# From this share of a frame's time on it pays to have the camera make smaller pictures.
_LARGE_SHARE = 0.4
# Below this share of the processor's time there is nothing to be saved.
_WORTH_IT = 0.1
# Halved, they must still be no smaller than what the model looks at.
_SMALLEST_TIMES = 2


_Values = dict[str, str | int | float]


@dataclass(frozen=True, slots=True)
class Recommendation:
    """What to set, and why, in words; `changes` are the settings that differ from now."""

    model: str
    threads: int
    width: int
    height: int
    fps: float
    changes: _Values
    text: str


def recommend(found: BoardBench) -> Recommendation:
    """The one thing to do with this board."""
    model, camera = found.settings.model, found.settings.camera
    fps, why = camera.fps, ""
    variant = _variant(found, camera.fps)
    if variant is None:
        cheapest = min(found.variants, key=lambda one: one.frame.p99, default=None)
        variant = next((one for one in _of_model(found) if _keeps_up(found, one, 5.0)), cheapest)
        fps = _rate(found, variant, camera.fps)
    if found.conditions.throttled:
        fps = min(fps, next((rate for rate in _RATES if rate <= camera.fps / 2), _RATES[-1]))
        why = "the processor was slowed down, by heat or a weak supply: cool it, look less often"
    name = model.path if variant is None else variant.model
    threads = model.num_threads if variant is None else variant.threads
    width, height = _picture(found)
    now: _Values = {"model.path": model.path, "model.num_threads": model.num_threads}
    now |= {"camera.width": camera.width, "camera.height": camera.height, "camera.fps": camera.fps}
    best: _Values = {"model.path": name, "model.num_threads": threads}
    best |= {"camera.width": width, "camera.height": height, "camera.fps": fps}
    changes = {key: value for key, value in best.items() if value != now[key]}
    text = _words(best, changes, why or _reason(found, variant, fps))
    return Recommendation(name, threads, width, height, fps, changes, text)


def _of_model(found: BoardBench) -> list[Variant]:
    """The configured model with its numbers of threads, fewest first."""
    return [one for one in found.variants if one.model == found.settings.model.path]


def _variant(found: BoardBench, fps: float) -> Variant | None:
    """The configured model with the fewest threads that keep up, else another that does."""
    others = [one for one in found.variants if one.model != found.settings.model.path]
    # Of several models the one that takes longest is the most accurate.
    others.sort(key=lambda one: (-one.frame.p50, one.threads))
    return next((o for o in [*_of_model(found), *others] if _keeps_up(found, o, fps)), None)


def _keeps_up(found: BoardBench, variant: Variant, fps: float) -> bool:
    return _frame_ms(found, variant) <= _SHARE_IN_USE * 1000 / fps


def _frame_ms(found: BoardBench, variant: Variant) -> float:
    """What 99 of 100 frames take at most, with all that is done besides classifying."""
    steps = found.steps
    beside = 0.0
    if FRAME in steps and CLASSIFY in steps:
        beside = max(0.0, steps[FRAME].p50 - steps[CLASSIFY].p50)
    return variant.frame.p99 + beside


def _rate(found: BoardBench, variant: Variant | None, configured: float) -> float:
    if variant is None:
        return configured
    possible = (rate for rate in _RATES if _keeps_up(found, variant, rate))
    return min(configured, next(possible, _RATES[-1]))


def _picture(found: BoardBench) -> tuple[int, int]:
    """The size of pictures: half of it where making them smaller takes most of the time."""
    camera, frame = found.settings.camera, found.steps.get(FRAME)
    # Small things are looked for in all the pixels that there are.
    if frame is None or found.model_size is None or found.settings.tiles.sizes:
        return camera.width, camera.height
    shrinking = sum(s.p50 * s.n for name, s in found.steps.items() if name.endswith("preprocess"))
    costly = shrinking >= _LARGE_SHARE * frame.p50 * frame.n
    busy = frame.p50 * camera.fps / 1000 >= _WORTH_IT
    if costly and busy and min(found.frame_size) >= _SMALLEST_TIMES * max(found.model_size):
        return camera.width // 4 * 2, camera.height // 4 * 2
    return camera.width, camera.height


def _reason(found: BoardBench, variant: Variant | None, fps: float) -> str:
    if variant is None:
        return "nothing could be tried in place of it"
    return (
        f"99 of 100 frames then take up to {_frame_ms(found, variant):.1f} ms of the "
        f"{1000 / fps:.0f} ms until the next one"
    )


def _words(best: _Values, changes: _Values, why: str) -> str:
    many = best["model.num_threads"]
    threads = "1 thread" if many == 1 else f"{many} threads"
    choice = (
        f"{best['model.path']}, {threads}, {best['camera.width']}×{best['camera.height']}, "
        f"{best['camera.fps']:g} frames a second"
    )
    if not changes:
        return f"Recommendation: keep what you have ({choice}): {why}."
    settings = ", ".join(f"{key} = {value}" for key, value in changes.items())
    return f"Recommendation: set {settings}, so that it is {choice}: {why}."
