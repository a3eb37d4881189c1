"""The settings of the model: which one runs, and how."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pi_classifier.errors import ConfigError
from pi_classifier.inference.interpreter import RUNTIMES
from pi_classifier.inference.score_reading import SCORES
from pi_classifier.inference.unknown import UNKNOWN_REJECTION
from pi_classifier.modelfile.picture_input import CHANNELS, Channels
from pi_classifier.modelfile.tflite_metadata import Normalization, normalization
from pi_classifier.setting import setting
from pi_classifier.system.folders import cache_folder, expanded

RESIZES = ("auto", "crop", "stretch")


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """Which model runs, and how."""

    path: str = setting(
        "flowers",
        "a shipped model's name, else a model file (.tflite), cascade.toml or folder with one",
        option="--model",
        metavar="M",
    )
    labels: str | None = setting(
        None, "label file, for models that carry no labels", metavar="FILE"
    )
    key_file: str | None = setting(
        None, "file with the key of an encrypted model; else the service's own", metavar="FILE"
    )
    runtime: str = setting("auto", "what runs the model", choices=RUNTIMES)
    delegate: str = setting(
        "",
        "library (a TFLite delegate) that runs the model on an accelerator, such as "
        '"libedgetpu.so.1"; empty: the processor runs it',
    )
    delegate_options: dict[str, str] = setting({}, "what that library is told, by its own names")
    delegate_fallback: bool = setting(
        False, "where the accelerator cannot be used, warn once and let the processor run it"
    )
    num_threads: int = setting(1, "threads the runtime may use", minimum=1, maximum=64)
    cache_dir: str = setting(
        "auto",
        'folder for copies of models and what is packed and known of them; "auto" is the '
        'user\'s cache folder, "" is none',
    )
    mean: tuple[float, float, float] | None = setting(
        None, "red, green, blue subtracted from pixels, for models that do not say it"
    )
    std: tuple[float, float, float] | None = setting(
        None, "what the difference is then divided by, for models that do not say it"
    )
    resize: str = setting(
        "auto", 'how frames get the model\'s shape; "auto" is as it was trained', choices=RESIZES
    )
    channels: str = setting(
        "auto",
        'in which order the network takes colors; "auto" is as the model file says, else rgb',
        choices=CHANNELS,
    )
    scores: str = setting(
        "auto",
        'what the network puts out; "auto" is by its last operator, then by what it gives; '
        "independent ones do not share 100 %",
        choices=SCORES,
    )
    unknown_rejection: str = setting(
        "auto",
        'say "unknown" to frames that are unlike every label: "auto" where the model file says '
        'how they are told, "on" refuses models that do not',
        choices=UNKNOWN_REJECTION,
    )
    top_k: int = setting(10, "how many of the best labels a prediction names; 0 is all", minimum=0)

    def __post_init__(self) -> None:
        if self.delegate_options and not self.delegate:
            raise ConfigError(
                f"delegate_options ({', '.join(self.delegate_options)}) are for a library, and "
                'none is named; add delegate = "libedgetpu.so.1" or the like, or remove them'
            )


def stated_normalization(settings: ModelSettings) -> Normalization | None:
    """The normalization that the settings state; None for none. Raises ConfigError."""
    if settings.mean is None and settings.std is None:
        return None
    if settings.mean is None or settings.std is None:
        raise ConfigError("only one of mean and std is set; a normalization needs both")
    return normalization(settings.mean, settings.std)


def stated_channels(settings: ModelSettings) -> Channels | None:
    """The order of colors that the settings state; None for that of the model file."""
    if settings.channels == "auto":
        return None
    return "bgr" if settings.channels == "bgr" else "rgb"


def stated_of_pixels(settings: ModelSettings) -> list[str]:
    """The settings that say how pixels go in, where they do not leave it to the model file."""
    stated = {"model.mean": settings.mean, "model.std": settings.std}
    named = [name for name, value in stated.items() if value is not None]
    return named if settings.channels == "auto" else [*named, "model.channels"]


def cache_dir_of(settings: ModelSettings) -> Path | None:
    """Return the folder for what is kept of models, if there is to be one."""
    if settings.cache_dir == "auto":
        return cache_folder()
    return expanded(settings.cache_dir) if settings.cache_dir else None
