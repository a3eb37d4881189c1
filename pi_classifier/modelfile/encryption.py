"""Encrypted model files and their keys: the only module that imports cryptography.

An encrypted file is one message of AES-256 in Galois/counter mode (NIST SP 800-38D): a header
in the clear, the encrypted model, the tag that proves both. Somebody who changes a byte of
either is found out before anything is read from the model.

    32 bytes  "pi-classifier encrypted model 1" and a line end: the format and its version
     8 bytes  which key: the beginning of HMAC-SHA-256 (key, "pi-classifier model key")
    12 bytes  nonce, random for each file
     8 bytes  length of the model, little-endian
       ...    the model, encrypted
    16 bytes  tag over all before it
"""

from __future__ import annotations

import contextlib
import errno
import hmac
import os
import re
import stat
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from pi_classifier.errors import ConfigError, KeyOutOfReach, ModelFileError
from pi_classifier.system.files import PARTIAL_PREFIX, open_regular_file
from pi_classifier.system.folders import expanded
from pi_classifier.system.memory_file import MemoryFile, forbid_core_dumps, sealed_memory_file

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers import AEADDecryptionContext, Cipher
    from cryptography.hazmat.primitives.ciphers.modes import GCM

CREDENTIAL = "model-key"
"""The service's credential that holds the key where `model.key_file` names none."""

SUFFIX = ".enc"
"""What `models encrypt` puts behind a model's name."""
LARGEST_MODEL = 256_000_000
"""In bytes: it is decrypted into memory whole, and a Pi may have 512 MB."""

_LINE = b"pi-classifier encrypted model 1\n"
_ANY_VERSION = _LINE[:-2]
_HEADER = struct.Struct("<32s8s12sQ")
_NONCE_BYTES, _TAG_BYTES, _KEY_BYTES, _ID_BYTES = 12, 16, 32, 8
_LARGEST_KEY_FILE = 1000
_PIECE = 1 << 20
# Errors that say something of the path, not of the machine.
_NOT_A_KEY = (errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EACCES, errno.EINVAL, errno.ELOOP)
_HEXADECIMAL = re.compile(rb"[0-9a-fA-F]{64}")


@dataclass(frozen=True, slots=True)
class ModelKey:
    """A key of 32 bytes, and where it came from."""

    secret: bytes = field(repr=False)
    source: str

    @property
    def identity(self) -> bytes:
        """Eight bytes that tell keys apart, and from which no key can be found."""
        return hmac.digest(self.secret, b"pi-classifier model key", "sha256")[:_ID_BYTES]


def is_encrypted(beginning: bytes | memoryview) -> bool:
    """Whether a file that begins so is an encrypted model, of this version or another."""
    return bytes(beginning[: len(_ANY_VERSION)]) == _ANY_VERSION


def plain_stem(path: Path) -> str:
    """The name of a model file without its ends: fast of fast.tflite and fast.tflite.enc."""
    return Path(path.name.removesuffix(SUFFIX)).stem


def write_new_key(path: Path) -> ModelKey:
    """Write a new random key to a new file that only its owner can read.

    It is there whole or not at all. Raises ConfigError where there is a file already, OSError.
    """
    secret = os.urandom(_KEY_BYTES)
    partial = path.with_name(f"{PARTIAL_PREFIX}{os.urandom(6).hex()}")
    try:
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(secret.hex().encode() + b"\n")
            file.flush()
            os.fsync(descriptor)
        os.link(partial, path)  # fails where there is a file, as a rename would not
    except FileExistsError:
        raise ConfigError(
            f"{path}: is there already, and a key that is overwritten opens no model any more; "
            "name a new file, or leave out --new-key to use this one"
        ) from None
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink()
    return ModelKey(secret, str(path))


def find_key(key_file: str | None) -> ModelKey | None:
    """Return the key in `key_file`, else the service's credential; None where there is neither.

    Raises as `read_key_file` does, and `KeyOutOfReach`.
    """
    if key_file is not None:
        return read_key_file(expanded(key_file))
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    if not folder:
        return None
    try:
        Path(folder, CREDENTIAL).stat()
    except FileNotFoundError:
        return None
    except PermissionError:
        raise KeyOutOfReach(
            f"systemd gives the credential {CREDENTIAL} to the service itself only, not to what "
            "it starts for a reload"
        ) from None
    # systemd guards it with an access list, which looks like the right of a group.
    return _read_key(Path(folder, CREDENTIAL), private=False)


def read_key_file(path: Path) -> ModelKey:
    """Read a key from a file that only its owner can read; raises ConfigError, OSError."""
    return _read_key(path, private=True)


def encrypt_model(content: bytes | memoryview, key: ModelKey) -> bytes:
    """Return the encrypted file of a model file's content.

    Raises ConfigError where cryptography is not installed.
    """
    nonce = os.urandom(_NONCE_BYTES)
    header = _HEADER.pack(_LINE, key.identity, nonce, len(content))
    encryptor = _cipher(key, nonce).encryptor()
    encryptor.authenticate_additional_data(header)
    body = encryptor.update(content) + encryptor.finalize()
    return header + body + encryptor.tag


def decrypt_model(path: Path, file: BinaryIO, key: ModelKey | None) -> MemoryFile:
    """Decrypt `file`, open at its beginning and found at `path`, into a sealed file in memory.

    From then on this process leaves no core dump. Raises ModelFileError for a damaged file,
    ConfigError for a key that is missing or another; OSError.
    """
    header = file.read(_HEADER.size)
    length = os.fstat(file.fileno()).st_size - _HEADER.size - _TAG_BYTES
    _check_form(path, header, length)
    _, identity, nonce, _ = _HEADER.unpack(header)
    if key is None:
        raise ConfigError(
            f"{path}: is encrypted, and there is no key; name its file with model.key_file, or "
            f"give the service the credential {CREDENTIAL}"
        )
    if identity != key.identity:
        raise ConfigError(
            f"{path}: was encrypted with the key {identity.hex()}, but {key.source} holds the key "
            f"{key.identity.hex()}; name the file of the right key with model.key_file"
        )
    decryptor = _cipher(key, nonce).decryptor()
    decryptor.authenticate_additional_data(header)
    forbid_core_dumps()
    return sealed_memory_file("model", _decrypted(path, file, length, decryptor))


def _check_form(path: Path, header: bytes, length: int) -> None:
    if not header.startswith(_LINE):
        raise ModelFileError(f"{path}: is encrypted in a newer way; update pi-classifier")
    if len(header) < _HEADER.size or length != _HEADER.unpack(header)[3]:
        raise ModelFileError(f"{path}: is cut short or has more at its end; copy the file again")
    if length > LARGEST_MODEL:
        raise ModelFileError(
            f"{path}: holds a model of {length / 1e6:.0f} MB; expected at most "
            f"{LARGEST_MODEL / 1e6:.0f} MB, as it is decrypted into memory"
        )


def _decrypted(
    path: Path, file: BinaryIO, length: int, decryptor: AEADDecryptionContext
) -> Iterator[bytes]:
    """Yield the model in pieces; only after the last is it known that they are genuine."""
    from cryptography.exceptions import InvalidTag

    for start in range(0, length, _PIECE):
        yield decryptor.update(file.read(min(_PIECE, length - start)))
    try:
        decryptor.finalize_with_tag(file.read(_TAG_BYTES))
    except (InvalidTag, ValueError):  # a tag that is too short: cut off meanwhile
        raise ModelFileError(f"{path}: is damaged; copy the file again") from None


def _cipher(key: ModelKey, nonce: bytes) -> Cipher[GCM]:
    try:
        from cryptography.hazmat.primitives.ciphers import Cipher
        from cryptography.hazmat.primitives.ciphers.algorithms import AES
        from cryptography.hazmat.primitives.ciphers.modes import GCM
    except ImportError as error:
        raise ConfigError(
            f"encrypted models need the package cryptography, which is not installed ({error}); "
            "install it: sudo apt install python3-cryptography, or in a virtual environment: "
            "pip install cryptography"
        ) from None
    return Cipher(AES(key.secret), GCM(nonce))


def _read_key(path: Path, *, private: bool) -> ModelKey:
    """Read a key; one that need be `private` is its owner's alone.

    That is the rule of PostgreSQL's key files: ours without a right for anybody else, or
    root's, which a group may read.
    """
    try:
        with open_regular_file(path) as file:
            status = os.fstat(file.fileno())
            text = file.read(_LARGEST_KEY_FILE)
    except OSError as error:
        if error.errno not in _NOT_A_KEY:
            raise
        raise ConfigError(
            f"{path}: the key of the model cannot be read ({error.strerror}); check the path, "
            "or make a key with models encrypt --new-key"
        ) from None
    if private:
        _check_owner(path, status)
    digits = text.strip()
    if not _HEXADECIMAL.fullmatch(digits):
        raise ConfigError(
            f"{path}: is not the key of a model: expected {2 * _KEY_BYTES} hexadecimal digits, "
            "as models encrypt --new-key writes them"
        )
    return ModelKey(bytes.fromhex(digits.decode()), str(path))


def _check_owner(path: Path, status: os.stat_result) -> None:
    us = os.geteuid()
    if us not in {0, status.st_uid} and status.st_uid != 0:
        raise ConfigError(
            f"{path}: belongs to another user (number {status.st_uid}), who can change it; "
            "expected a key file of your own or of root"
        )
    allowed = 0o740 if status.st_uid == 0 else 0o700
    if stat.S_IMODE(status.st_mode) & ~allowed:
        raise ConfigError(
            f"{path}: others can read this key (mode {stat.S_IMODE(status.st_mode):04o}); "
            f"close it: chmod 600 {path}"
        )
