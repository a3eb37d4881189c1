"""`pi-classifier say TEXT`: speak a text, or what would be said of each label."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass

from pi_classifier.commands.options import Shared, add_setting_options, effective
from pi_classifier.commands.parser import Parser
from pi_classifier.config.options import add_options, read_options
from pi_classifier.config.settings import Settings
from pi_classifier.logs.handlers import setup_logging
from pi_classifier.modelfile.cascade_file import read_cascade_file
from pi_classifier.modelfile.locate import find_model
from pi_classifier.modelfile.model_file import read_model_file
from pi_classifier.printable import printable
from pi_classifier.setting import setting
from pi_classifier.sinks.speech import phrases_of
from pi_classifier.speech.engines.registry import open_engine
from pi_classifier.speech.settings import SpeechSettings
from pi_classifier.speech.speaker import Speaker, make_synthesizer

OF_MODEL: Shared = {"model": ("path", "labels")}

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SayOptions:
    """The command's own options."""

    all_labels: bool = setting(False, "say what is said of each label of the model")
    make_only: bool = setting(False, "only make the sound and keep it for later")
    list_voices: bool = setting(False, "list the voices of the engine")


def add_arguments(command: Parser) -> None:
    """Add the command's arguments."""
    command.add_argument("text", nargs="*", metavar="TEXT", help="what to say")
    add_setting_options(command, OF_MODEL)
    add_options(command, SayOptions)


def main(arguments: argparse.Namespace) -> int:
    """Say it to its end; raises ConfigError, ModelError, SinkError."""
    options = read_options(arguments, SayOptions)
    settings = effective(arguments, OF_MODEL).settings
    setup_logging("debug" if arguments.debug else "warning")
    if options.list_voices:
        _list_voices(settings.speech)
        return 0
    texts = _texts(arguments, options, settings)
    if options.make_only:
        _make(texts, settings.speech)
    else:
        _say(texts, settings.speech)
    return 0


def _texts(
    arguments: argparse.Namespace, options: SayOptions, settings: Settings
) -> Sequence[str]:
    """What is to be said; ends the program when that is nothing."""
    given = " ".join(arguments.text)
    try:
        given.encode()
    except UnicodeEncodeError:  # bytes of another encoding
        arguments.parser.error(f"cannot say {given!r}: expected text in UTF-8")
    texts = [printable(given)] if given else []
    if options.all_labels:
        phrases = phrases_of(settings.speech)
        texts += [phrases.of(label) for label in _spoken_labels(settings)]
    if not texts:
        arguments.parser.error("nothing to say: give a text, --all-labels or --list-voices")
    return texts


def _spoken_labels(settings: Settings) -> Sequence[str]:
    """The labels that are announced, read from the model's files without running them."""
    path = find_model(settings.model.path)
    is_cascade = path.suffix == ".toml"
    paths = [stage.model for stage in read_cascade_file(path).stages] if is_cascade else [path]
    models = [read_model_file(path, settings.model.labels, to_run=False) for path in paths]
    silent = set(settings.decision.made_silent)
    silent.update(*(model.manifest.silent_labels for model in models))
    return [label for label in models[0].labels if label not in silent]


def _say(texts: Sequence[str], settings: SpeechSettings) -> None:
    with closing(Speaker(settings)) as speaker:
        for text in texts:
            result = speaker.speak(text)
            _logger.debug("said in %.1f s", result.duration_s)
            print(f"said {result.text!r} through {result.output}", flush=True)


def _make(texts: Sequence[str], settings: SpeechSettings) -> None:
    with closing(make_synthesizer(settings)) as synthesizer:
        for text in texts:
            path, _ = synthesizer.wav(text)
            print(f"made {text!r}: {path}", flush=True)


def _list_voices(settings: SpeechSettings) -> None:
    """One voice a line, its language beside it; those of `speech.language` if it is set."""
    engine = open_engine(settings.engine, settings.voice_settings)
    wanted = settings.language.lower()
    voices = [voice for voice in engine.voices() if voice.language.lower().startswith(wanted)]
    width = max((len(voice.name) for voice in voices), default=0)
    for voice in voices:
        print(printable(f"{voice.name:{width}}  {voice.language}"))
    if not voices:
        print(f"{engine.name} has no voice" + (f" for {wanted}" if wanted else ""))
