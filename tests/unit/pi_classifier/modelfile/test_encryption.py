"""Encrypted models: what was encrypted comes back from memory, and nothing else ever does."""

from __future__ import annotations

import os
import stat
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from pi_classifier.errors import ConfigError, ModelFileError, PiClassifierError
from pi_classifier.modelfile.encryption import (
    LARGEST_MODEL,
    ModelKey,
    decrypt_model,
    encrypt_model,
    find_key,
    is_encrypted,
    read_key_file,
    write_new_key,
)
from tests.needs import NEEDS_ROOT

KEY = ModelKey(bytes(range(32)), "the-key")
HEADER_BYTES, TAG_BYTES, PIECE = 60, 16, 1 << 20


def decrypted(file: Path, key: ModelKey | None = KEY) -> bytes:
    """The model as whoever is given the descriptor reads it."""
    with file.open("rb") as opened:
        memory = decrypt_model(file, opened, key)
    return memory.path.read_bytes()


def written(folder: Path, content: bytes) -> Path:
    path = folder / "model.tflite.enc"
    path.write_bytes(content)
    return path


def descriptors() -> set[str]:
    return {path.name for path in Path("/proc/self/fd").iterdir()}


@pytest.mark.parametrize("size", [0, 1, PIECE - 1, PIECE, PIECE + 1])
def test_what_was_encrypted_comes_back(tmp_path: Path, size: int) -> None:
    content = os.urandom(size)
    encrypted = encrypt_model(content, KEY)
    assert is_encrypted(encrypted[:40])
    assert not is_encrypted(content[:40])
    assert decrypted(written(tmp_path, encrypted)) == content


def test_the_file_is_what_its_description_says() -> None:
    content = os.urandom(1000)
    encrypted = encrypt_model(content, KEY)
    header, nonce = encrypted[:HEADER_BYTES], encrypted[40:52]
    assert header[:32] == b"pi-classifier encrypted model 1\n"
    assert (header[32:40], header[52:60]) == (KEY.identity, (1000).to_bytes(8, "little"))
    assert AESGCM(KEY.secret).decrypt(nonce, encrypted[HEADER_BYTES:], header) == content


def test_the_same_model_is_never_encrypted_alike() -> None:
    first, second = (encrypt_model(b"TFL3", KEY) for _ in range(2))
    assert first[40:52] != second[40:52]
    assert first[HEADER_BYTES:] != second[HEADER_BYTES:]


def test_one_changed_bit_anywhere_is_found_and_nothing_stays_open(tmp_path: Path) -> None:
    encrypted = encrypt_model(os.urandom(100), KEY)
    before = descriptors()
    for place in range(len(b"pi-classifier encrypted model "), len(encrypted)):
        changed = bytearray(encrypted)
        changed[place] ^= 1
        with pytest.raises(PiClassifierError, match=r"model\.tflite\.enc: (is|was) "):
            decrypted(written(tmp_path, bytes(changed)))
    assert descriptors() == before


@pytest.mark.parametrize("size", [31, HEADER_BYTES - 1, HEADER_BYTES, HEADER_BYTES + TAG_BYTES])
def test_cut_short(tmp_path: Path, size: int) -> None:
    with pytest.raises(ModelFileError, match=r"cut short|newer way"):
        decrypted(written(tmp_path, encrypt_model(b"a model", KEY)[:size]))


def test_more_at_the_end_and_too_large(tmp_path: Path) -> None:
    encrypted = encrypt_model(b"a model", KEY)
    with pytest.raises(ModelFileError, match="more at its end; copy the file again"):
        decrypted(written(tmp_path, encrypted + b"\n"))
    large = LARGEST_MODEL + 1
    path = written(tmp_path, encrypted[:52] + large.to_bytes(8, "little"))
    os.truncate(path, HEADER_BYTES + large + TAG_BYTES)  # with holes: it takes no room
    with pytest.raises(ModelFileError, match="a model of 256 MB; expected at most 256 MB"):
        decrypted(path)


def test_another_version_names_the_remedy(tmp_path: Path) -> None:
    newer = encrypt_model(b"a model", KEY).replace(b"model 1\n", b"model 2\n")
    assert is_encrypted(newer)
    with pytest.raises(ModelFileError, match="newer way; update pi-classifier"):
        decrypted(written(tmp_path, newer))


def test_without_the_key_and_with_another(tmp_path: Path) -> None:
    file = written(tmp_path, encrypt_model(b"a model", KEY))
    with pytest.raises(ConfigError, match=r"there is no key; name its file with model\.key_file"):
        decrypted(file, None)
    other = ModelKey(bytes(32), "other-key")
    with pytest.raises(ConfigError) as raised:
        decrypted(file, other)
    assert f"with the key {KEY.identity.hex()}, but other-key holds the key" in str(raised.value)


def test_without_cryptography_the_package_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = written(tmp_path, encrypt_model(b"a model", KEY))
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.ciphers", None)
    with pytest.raises(ConfigError, match="sudo apt install python3-cryptography"):
        decrypted(file)


# Keys


def test_a_new_key_is_its_owner_s_alone_and_never_replaced(tmp_path: Path) -> None:
    path = tmp_path / "key"
    before = os.umask(0)
    try:
        key = write_new_key(path)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_text() == key.secret.hex() + "\n"
    assert read_key_file(path) == key
    with pytest.raises(ConfigError, match="is there already"):
        write_new_key(path)
    assert read_key_file(path) == key
    assert list(tmp_path.iterdir()) == [path]


def test_where_no_key_can_be_written_none_is_begun(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="none/key"):
        write_new_key(tmp_path / "none" / "key")
    assert not list(tmp_path.iterdir())


def test_no_message_holds_a_secret(tmp_path: Path) -> None:
    key = write_new_key(tmp_path / "key")
    assert key.secret.hex() not in repr(key)
    (tmp_path / "doubled").write_text(2 * key.secret.hex())
    (tmp_path / "doubled").chmod(0o600)
    with pytest.raises(ConfigError, match="64 hexadecimal digits") as raised:
        read_key_file(tmp_path / "doubled")
    assert key.secret.hex()[:8] not in str(raised.value)


@pytest.mark.parametrize("mode", [0o601, 0o604, 0o620, 0o644])
def test_a_key_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    write_new_key(tmp_path / "key")
    (tmp_path / "key").chmod(mode)
    with pytest.raises(ConfigError, match=f"mode {mode:04o}.*chmod 600 {tmp_path}/key"):
        read_key_file(tmp_path / "key")


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user can enter."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@NEEDS_ROOT
@pytest.mark.parametrize(
    ("owner", "group", "mode", "refused"),
    [
        (65534, 65534, 0o600, ""),
        (65534, 65534, 0o640, "others can read"),
        (0, 65534, 0o640, ""),  # root's, for the service's group
        (1, 65534, 0o640, "belongs to another user"),
        (0, 0, 0o600, "Permission denied"),
    ],
)
def test_whose_a_key_may_be(
    open_folder: Path, owner: int, group: int, mode: int, refused: str
) -> None:
    path = open_folder / "key"
    key = write_new_key(path)
    os.chown(path, owner, group)
    path.chmod(mode)
    us = os.getegid()
    os.setegid(65534)
    os.seteuid(65534)
    try:
        if refused:
            with pytest.raises(ConfigError, match=refused):
                read_key_file(path)
        else:
            assert read_key_file(path) == key
    finally:
        os.seteuid(0)
        os.setegid(us)


def test_what_is_no_key_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    for name in ("none", ".", "pipe"):
        with pytest.raises(ConfigError, match=r"cannot be read.*--new-key"):
            read_key_file(tmp_path / name)


def test_the_service_s_credential_is_the_key_where_none_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    assert find_key(None) is None
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert find_key(None) is None
    credential = write_new_key(tmp_path / "model-key")
    (tmp_path / "model-key").chmod(0o440)  # as systemd's look, by their access list
    assert find_key(None) == credential
    named = write_new_key(tmp_path / "named")
    assert find_key(str(tmp_path / "named")) == named
