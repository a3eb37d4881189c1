"""What is said of a model whose trial in a child process did not end well."""

from __future__ import annotations

import contextlib
import json
import signal
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pi_classifier import errors
from pi_classifier.errors import InferenceError, ModelFileError, PiClassifierError
from pi_classifier.modelfile.model_copy import ModelSource
from pi_classifier.system.python_child import Ended

_MOST_WORDS = 200


def verdicts_of(ended: Ended) -> Iterator[Mapping[str, Any]]:
    """What the child said of the models it came to; a line that was cut off is none."""
    for line in ended.output.splitlines():
        with contextlib.suppress(ValueError):
            yield json.loads(line)


def error_of(source: ModelSource, verdict: Mapping[str, Any]) -> Exception:
    """The error that the child met, to be raised here."""
    if "errno" in verdict:
        return OSError(verdict["errno"], verdict["text"], verdict["filename"] or str(source.path))
    kind = getattr(errors, str(verdict.get("error")), ModelFileError)
    if not (isinstance(kind, type) and issubclass(kind, PiClassifierError)):
        kind = ModelFileError
    return kind(verdict.get("text"))


def untimely_end(
    source: ModelSource, ended: Ended, limit_s: float, delegate: str = ""
) -> PiClassifierError:
    """The error for a child that did not come to a verdict, with the library of `delegate`."""
    path, words = source.path, _last_words(ended)
    last = f' (its last words: "{words}")' if words else ""
    with_library = (
        f"that is with the library {delegate}: update it, or remove model.delegate and the "
        "processor runs the model"
    )
    if ended.code is None or ended.code == -signal.SIGXCPU:
        advice = "check that it is a model for this computer's size"
        return ModelFileError(
            f"{path}: was not opened and run within {limit_s:.0f} s when it was tried; "
            f"{with_library if delegate else advice}"
        )
    if ended.code >= 0:
        return InferenceError(f"{path}: could not be tried in a process of its own{last}")
    if "bad_alloc" in words or ended.code == -signal.SIGKILL:
        return ModelFileError(too_large(path))
    name = signal.Signals(-ended.code).name
    advice = "the file is damaged, or what it says of itself is wrong; export or convert it again"
    return ModelFileError(
        f"{path}: ended the runtime with {name} when it was tried{last}: "
        f"{with_library if delegate else advice}"
    )


def _last_words(ended: Ended) -> str:
    """The last line on stderr that tells of more than of what was loaded."""
    for line in reversed(ended.last_lines):
        words = "".join(character for character in line if character.isprintable()).strip()
        if words and not words.startswith(("INFO:", "VERBOSE:", "I0000")):
            return words.removeprefix("ERROR:").strip()[:_MOST_WORDS]
    return ""


def too_large(path: Path) -> str:
    """The sentence for a model that takes more memory than there is."""
    return (
        f"{path}: takes more memory than this computer can give it; use a smaller model, or, "
        "if it is small, export or convert it again: what it says of itself may be wrong"
    )
