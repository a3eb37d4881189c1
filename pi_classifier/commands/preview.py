"""`pi-classifier preview`: the camera's picture with labels and scores."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pi_classifier.errors import ConfigError
from pi_classifier.service.signals import StopOnSignal
from pi_classifier.setting import setting

if TYPE_CHECKING:
    from pi_classifier.commands.parser import Parser
    from pi_classifier.config.settings import Settings
    from pi_classifier.preview.latest_view import LatestView, View
    from pi_classifier.preview.web import PreviewServer
    from pi_classifier.types import Frame, Prediction

_TERMINAL_EVERY_S = 0.1
_TEXT_EVERY_S = 0.0


@dataclass(frozen=True, slots=True)
class PreviewOptions:
    """The command's own options."""

    png: str | None = setting(
        None, "write it to FILE; seen-%05d.png makes one file a frame", metavar="FILE"
    )
    http: int | None = setting(
        None, "show it on a web page at this port", minimum=0, maximum=65535, metavar="PORT"
    )
    host: str | None = setting(
        None,
        "who can see the web page: this computer (127.0.0.1, the default), or everybody on "
        "the network (0.0.0.0)",
        metavar="ADDRESS",
    )
    every: float = setting(1.0, "with --png, seconds between two pictures", above=0.0, metavar="S")


def add_arguments(command: Parser) -> None:
    """Add the command's arguments."""
    from pi_classifier.commands.options import CAMERA, MODEL, add_setting_options
    from pi_classifier.config.options import add_options

    add_setting_options(command, MODEL, CAMERA)
    add_options(command, PreviewOptions, exclusive=("png", "http"))


def main(arguments: argparse.Namespace) -> int:
    """Show what the camera sees until it ends or a signal comes; raises PiClassifierError."""
    from pi_classifier.config.options import read_options

    options = read_options(arguments, PreviewOptions)
    if options.host is not None and options.http is None:
        raise ConfigError("--host is for --http; write --http PORT as well")
    with StopOnSignal() as signals:
        _preview(arguments, options, signals)
    return 0


def _preview(
    arguments: argparse.Namespace, options: PreviewOptions, signals: StopOnSignal
) -> None:
    from pi_classifier.inference.classifier import model_names
    from pi_classifier.preview.latest_view import LatestView, View
    from pi_classifier.service.build import build
    from pi_classifier.service.run_loop import run

    settings = _settings(arguments, options)
    latest = LatestView()
    last: Prediction | None = None

    def show(frame: Frame, prediction: Prediction | None) -> None:
        nonlocal last
        last = prediction or last
        decision = service.liveness.decision
        seen = ", ".join(decision.in_force) if decision else ""
        latest.put(View(frame, last, seen or None))

    with (
        build(settings, on_stop=signals.on_stop, whole_frames=True) as service,
        ExitStack() as stack,
    ):
        source = settings.camera.shown_source
        caption = f"{model_names(service.parts.classifier)} through {source}; Ctrl-C ends it"
        _open_view(options, stack, latest, caption, service.stop)
        run(service, show)


def _settings(arguments: argparse.Namespace, options: PreviewOptions) -> Settings:
    """The effective settings, without sinks: nothing is spoken or logged by looking."""
    from pi_classifier.commands.options import CAMERA, MODEL, effective, of_one_camera
    from pi_classifier.logs.handlers import setup_logging

    settings = of_one_camera(effective(arguments, MODEL, CAMERA).settings)
    # Log lines would be written across the picture.
    quiet = "error" if _in_terminal(options) else "warning"
    setup_logging("debug" if arguments.debug else quiet)
    return replace(
        settings,
        regions=(),  # the whole picture is looked at
        stdout=replace(settings.stdout, enabled=False),
        log=replace(settings.log, enabled=False),
        jsonl=replace(settings.jsonl, path=""),
        speech=replace(settings.speech, enabled=False),
    )


def _in_terminal(options: PreviewOptions) -> bool:
    elsewhere = options.png is not None or options.http is not None
    return not elsewhere and sys.stdout.isatty() and os.environ.get("TERM") not in {None, "dumb"}


def _open_view(
    options: PreviewOptions,
    stack: ExitStack,
    latest: LatestView,
    caption: str,
    stop: Callable[[], None],
) -> None:
    """Open what was asked for: a web page, picture files, the terminal, or lines of text."""
    from pi_classifier.preview.latest_view import PreviewThread

    if options.http is not None:
        stack.enter_context(closing(_web(options.http, options.host, latest)))
        stack.callback(latest.close)
        return
    if options.png is not None:
        from pi_classifier.preview.drawing import PictureFile

        show: Callable[[View], None] = PictureFile(options.png).write
        every_s = options.every
        _say(f"writes {options.png} every {every_s:g} s; Ctrl-C ends it")
    elif _in_terminal(options):
        from pi_classifier.preview.ansi import TerminalScreen

        encoding = sys.stdout.encoding or "ascii"
        screen = TerminalScreen(sys.stdout.fileno(), os.environ, encoding, caption)
        show, every_s = stack.enter_context(screen).show, _TERMINAL_EVERY_S
    else:
        from pi_classifier.preview.ansi import text_line

        show = lambda view: print(text_line(view), flush=True)  # noqa: E731
        every_s = _TEXT_EVERY_S
    stack.enter_context(closing(PreviewThread(latest, show, every_s, stop)))


def _web(port: int, host: str | None, latest: LatestView) -> PreviewServer:
    from pi_classifier.preview.web import PreviewServer

    server = PreviewServer(host or "127.0.0.1", port, latest)
    if server.local:
        _say(
            f"open {server.url} on this computer (others cannot see it; "
            "--host 0.0.0.0 lets them); Ctrl-C ends it"
        )
    else:
        _say(
            f"open {server.url} on any computer of this "
            "network; Ctrl-C ends it\n"
            "CAUTION: whoever reaches this computer over the network can watch, without a password"
        )
    return server


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
