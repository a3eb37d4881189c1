"""The command line: its commands, each described by its own module."""

from __future__ import annotations

from functools import partial
from importlib import import_module

from pi_classifier import __version__
from pi_classifier.commands.parser import Parser

# What each command does, in the order of the help; a module of this name, with underscores, in
# `commands` does it.
COMMANDS = {
    "run": "watch through the camera and tell what it sees",
    "classify": "tell what photos show",
    "record": "keep what the camera sees, to be played back with replay:FOLDER",
    "preview": "show the camera's picture with labels and scores, in the terminal",
    "config": "print the effective configuration with the source of each value",
    "cameras": "list the cameras that are here, or take a picture with one",
    "say": "speak a text, to try the sound",
    "models": "tell what is in model files",
    "models encrypt": "make a file of a model that opens only with a key",
    "bench": "tell what this configuration takes on this board, and what to change",
    "profile": "tell where a model's time goes on this machine, operation by operation",
}


def parser() -> Parser:
    """The parser of all commands; the parsed `command` names a module of `commands`."""
    top = Parser(
        prog="pi-classifier",
        description="Point a camera at the world; it tells you what it sees.",
        epilog="To begin with: pi-classifier run --camera emulated",
    )
    top.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = top.add_subparsers(metavar="COMMAND", title="commands")
    for name, summary in COMMANDS.items():
        command = commands.add_parser(
            name,
            help=summary,
            description=f"{summary[0].upper()}{summary[1:]}.",
            describe=partial(_describe, name),
        )
        command.set_defaults(command=_module(name), parser=command)
    return top


def _module(name: str) -> str:
    return name.replace(" ", "_")


def _describe(name: str, command: Parser) -> None:
    # Imported only for the command in use: settings bring numpy along.
    command.add_argument("--debug", action="store_true", help="log everything; show tracebacks")
    import_module(f"pi_classifier.commands.{_module(name)}").add_arguments(command)
