"""`pi-classifier models encrypt`: a model file that opens only with a key."""

from __future__ import annotations

import argparse
from dataclasses import MISSING, dataclass
from pathlib import Path

from pi_classifier.commands.parser import Parser
from pi_classifier.config.options import add_options, read_options
from pi_classifier.errors import ConfigError, ModelFileError
from pi_classifier.modelfile.encryption import (
    LARGEST_MODEL,
    SUFFIX,
    encrypt_model,
    is_encrypted,
    read_key_file,
    write_new_key,
)
from pi_classifier.modelfile.file_kinds import refuse_other_kinds
from pi_classifier.modelfile.locate import find_model
from pi_classifier.setting import setting
from pi_classifier.system.files import read_regular_file, write_atomic


@dataclass(frozen=True, slots=True)
class EncryptOptions:
    """The command's own options."""

    key_file: Path = setting(MISSING, "file with the key", metavar="FILE")
    new_key: bool = setting(False, "make a new key, and write it to the key file")


def add_arguments(command: Parser) -> None:
    """Add the command's arguments."""
    add_options(command, EncryptOptions)
    command.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FILE",
        help=f"the encrypted file (default: the model's name with {SUFFIX})",
    )
    command.add_argument(
        "model", metavar="MODEL", help="a model file; of a cascade, each by itself"
    )


def main(arguments: argparse.Namespace) -> int:
    """Write the encrypted file; raises ModelError, ConfigError, OSError."""
    options = read_options(arguments, EncryptOptions)
    path = find_model(arguments.model)
    content = _model(path)
    output: Path = arguments.output or path.with_name(path.name + SUFFIX)
    for other, role in ((path, "model"), (options.key_file, "key file")):
        if _is_same_file(output, other):
            raise ConfigError(f"--output {output}: is the {role} itself; name another file")
    if not output.resolve().parent.is_dir():  # known before a key is made that opens nothing
        raise ConfigError(f"--output {output}: there is no folder {output.parent}; make it first")
    key = (write_new_key if options.new_key else read_key_file)(options.key_file)
    encrypted = encrypt_model(content, key)
    write_atomic(output, encrypted)
    print(
        f"{output}: {len(encrypted) / 1000:.0f} kB, opens with the key {key.identity.hex()} in "
        f"{key.source}. Keep a copy of that file: without it nobody can open the model."
    )
    return 0


def _is_same_file(path: Path, other: Path) -> bool:
    """Whether writing to `path` would write to `other`, which may be still to be made."""
    if path.exists() and other.exists():
        return path.samefile(other)
    return path.resolve() == other.resolve()


def _model(path: Path) -> bytes:
    if path.suffix == ".toml":
        raise ModelFileError(f"{path}: is a cascade; encrypt each of its model files by itself")
    content = read_regular_file(path, LARGEST_MODEL)
    if is_encrypted(content):
        raise ModelFileError(f"{path}: is encrypted already")
    refuse_other_kinds(path, memoryview(content))
    if content[4:8] != b"TFL3":
        raise ModelFileError(f"{path}: is not a TFLite model; name a .tflite file")
    return content
