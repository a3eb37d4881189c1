"""PyTorch's files of weights: read to the last bit, and nothing in them is ever run."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
from pi_classifier_training.errors import ExportError
from pi_classifier_training.networks.state_dict import read_state_dict

from tests import torch_files as torch

# As PyTorch stores a kernel that was converted from TensorFlow: channels last in memory.
KERNEL = np.arange(48, dtype=np.float32).reshape(2, 2, 3, 4).transpose(3, 2, 0, 1)
ARRAYS: dict[str, torch.Array] = {
    "stem.weight": KERNEL,
    "norm.bias": np.array([1.5, -2, 0.25], np.float16),
    "norm.tracked": np.array(7, np.int64),
    "head.weight": np.linspace(-1, 1, 5),
}


def written(folder: Path, data: bytes) -> Path:
    path = folder / "weights.pth"
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("old", [False, True])
def test_both_forms_give_every_array_in_its_order(tmp_path: Path, old: bool) -> None:
    read = read_state_dict(written(tmp_path, torch.saved(ARRAYS, old=old)))
    assert list(read) == list(ARRAYS)
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(read[name], array, strict=True)


@pytest.mark.parametrize("old", [False, True])
def test_a_file_that_is_cut_off_anywhere_is_refused(tmp_path: Path, old: bool) -> None:
    data = torch.saved(ARRAYS, old=old)
    for length in range(0, len(data), 7):
        with pytest.raises(ExportError, match="is not a PyTorch file of weights, or damaged"):
            read_state_dict(written(tmp_path, data[:length]))


def test_nothing_that_a_file_names_is_run(tmp_path: Path) -> None:
    touched = tmp_path / "touched"
    call = torch.named("os", "system") + b"(" + torch.text(f"touch {touched}") + b"tR"
    with pytest.raises(ExportError, match="wants to call os system, which weights do not need"):
        read_state_dict(written(tmp_path, torch.archive({"a": call}, {})))
    assert not touched.exists()


VALUES = torch.tensor("0", np.zeros(4, np.float32))
FOUR = np.zeros(4, np.float32).tobytes()
FAR = np.lib.stride_tricks.as_strided(np.zeros(4, np.float32), (2, 2), (4, 12))


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (torch.archive({"a": torch.number(3)}, {}), "'a' in it is no array"),
        (torch.archive({}, {}), "it holds no weights by name"),
        (torch.archive({"a": VALUES}, {"0": FOUR[:8]}), "an array in it is cut off"),
        (
            torch.archive({"a": VALUES}, {"0": FOUR}, zipfile.ZIP_DEFLATED),
            "its parts are compressed",
        ),
        (
            torch.archive({"a": torch.tensor("0", np.zeros(4, np.float32), 1 << 30)}, {"0": FOUR}),
            "its arrays are larger than the file",
        ),
        (torch.archive({"a": torch.tensor("0", FAR)}, {"0": FOUR}), "PyTorch file of weights"),
        (
            torch.archive({"a": VALUES.replace(b"Float", b"Quint")}, {"0": FOUR}),
            "numbers of a kind that is not known",
        ),
        (b"\x80\x02}(K\x01K\x02u.", "a dictionary of other things than names"),
        (b"\x80\x02\x8c\x01ai.", "damaged"),
    ],
)
def test_what_no_file_of_weights_holds_is_refused(tmp_path: Path, data: bytes, says: str) -> None:
    with pytest.raises(ExportError, match=says):
        read_state_dict(written(tmp_path, data))


def test_names_nested_without_end_are_refused_before_they_are_hashed(tmp_path: Path) -> None:
    # A tuple of the same tuple twice, forty times over: to hash it would take years.
    nested = b")" + b"".join(b"q" + bytes([i]) + b"h" + bytes([i]) + b"\x86" for i in range(40))
    with pytest.raises(ExportError, match="other things than names"):
        read_state_dict(written(tmp_path, b"\x80\x02}" + nested + b"Ns."))
