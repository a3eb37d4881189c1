"""Exit codes by whether time helps: the machine's refusal is 74, what is wrong in a file 78."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from pi_classifier import cli
from pi_classifier.errors import EXIT_CONFIG, EXIT_SYSTEM, ModelFileError, is_the_machines
from pi_classifier.modelfile.cascade_file import read_cascade_file
from pi_classifier.modelfile.labels import read_labels
from pi_classifier.modelfile.locate import find_model
from pi_classifier.modelfile.model_copy import model_source
from pi_classifier.modelfile.model_file import read_model_file

DATA = Path(__file__).parents[2] / "data"
NOW = (errno.EIO, errno.EMFILE, errno.ENOMEM, errno.ESTALE)
ALWAYS = (errno.EACCES, errno.ELOOP, errno.ENAMETOOLONG)


@pytest.fixture
def refuse(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[int], Path]:
    """Makes the system refuse a file, which it returns, with an error number."""
    file = tmp_path / "file.toml"
    file.write_text("")

    def begin(number: int) -> Path:
        opened, status = os.open, os.stat

        def others(call: Callable[..., Any], path: object, *rest: Any, **more: Any) -> Any:
            if str(path) == str(file):
                raise OSError(number, os.strerror(number), str(path))
            return call(path, *rest, **more)

        monkeypatch.setattr(os, "open", partial(others, opened))
        monkeypatch.setattr(os, "stat", partial(others, status))
        return file

    return begin


READERS = [read_labels, read_cascade_file, read_model_file, lambda path: model_source(path, None)]


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("number", NOW)
def test_what_may_be_over_later_is_the_machines(
    refuse: Callable[[int], Path], read: Callable[[Path], object], number: int
) -> None:
    with pytest.raises(OSError, match=os.strerror(number)) as caught:
        read(refuse(number))
    assert is_the_machines(caught.value)


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("number", ALWAYS)
def test_what_stays_until_somebody_mends_it_is_the_files(
    refuse: Callable[[int], Path], read: Callable[[Path], object], number: int
) -> None:
    path = refuse(number)
    with pytest.raises(ModelFileError) as caught:
        read(path)
    assert str(caught.value).startswith(f"{path}: cannot be read")


def test_a_model_that_cannot_be_looked_up_now(refuse: Callable[[int], Path]) -> None:
    with pytest.raises(OSError, match="Input/output"):
        find_model(str(refuse(errno.EIO)))


@pytest.mark.parametrize(
    ("number", "code"), [(n, EXIT_SYSTEM) for n in NOW] + [(n, EXIT_CONFIG) for n in ALWAYS]
)
def test_the_configuration_ends_the_program_alike(
    refuse: Callable[[int], Path],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    code: int,
) -> None:
    monkeypatch.setattr(cli, "_abandon_stdout", lambda: None)  # it would be the test's
    path = refuse(number)
    assert cli.main(["config", "--config", str(path)]) == code
    said = capsys.readouterr().err
    assert str(path) in said
    assert os.strerror(number) in said
