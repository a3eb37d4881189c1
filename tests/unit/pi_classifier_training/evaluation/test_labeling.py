"""Which label a folder means."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pi_classifier_training.data.dataset import Photo
from pi_classifier_training.errors import DatasetError
from pi_classifier_training.evaluation.labeling import match_labels, read_map

LABELS = ("background", "day lily", "tench, Tinca tinca", "snow-drop")


def meant(folder: str, labels: tuple[str, ...] = LABELS, **names: str) -> str:
    (photo,) = match_labels([Photo(Path("photos/x/a.jpg"), folder)], labels, "model", names)
    return photo.label


@given(
    st.sampled_from(["", "a ", "An ", "THE "]),
    st.sampled_from([" ", "_", "-", "  ", "_ "]),
    st.sampled_from([str.lower, str.upper, str.title]),
)
def test_capitals_articles_and_joints_do_not_matter(
    article: str, joint: str, spelled: object
) -> None:
    assert meant(article + spelled(f"day{joint}lily")) == "day lily"  # type: ignore[operator]
    assert meant(article + spelled(f"tinca{joint}tinca")) == "tench, Tinca tinca"  # type: ignore[operator]


def test_the_better_match_wins_over_others_that_would_do() -> None:
    # Equal goes before equal but for capitals, that before one of several names.
    assert meant("lily", ("lily", "Lily", "day lily, lily")) == "lily"
    assert meant("LILY", ("lily", "day lily, lily")) == "lily"
    assert meant("lily", ("day lily, Lily", "rose")) == "day lily, Lily"


def test_two_that_are_as_good_are_asked_about() -> None:
    with pytest.raises(
        DatasetError, match=r"'lily' may mean 'LILY' or 'Lily' of model; say which"
    ):
        meant("lily", ("LILY", "Lily"))
    with pytest.raises(DatasetError, match=r"may mean 'a, lily' or 'b, lily'"):
        meant("lily", ("a, lily", "b, lily"))


def test_part_of_a_label_is_not_the_label() -> None:
    with pytest.raises(DatasetError, match="no label 'lily'"):
        meant("lily", ("day lily", "lilys"))


def test_a_map_says_what_no_spelling_does_and_wins() -> None:
    assert meant("kitchen", kitchen="background") == "background"
    assert meant("background", background="day lily") == "day lily"


def test_the_error_counts_the_photos_and_names_near_labels_of_many() -> None:
    many = (*(f"label{i}" for i in range(100)), "sunflower")
    photos = [Photo(Path(f"{i}.jpg"), "sunflour") for i in range(7)]
    with pytest.raises(DatasetError) as caught:
        match_labels(photos, many, "model")
    assert "7 photos lie in the folder 'sunflour'" in str(caught.value)
    assert "101 labels, such as 'sunflower'" in str(caught.value)
    assert "sunflour = LABEL" in str(caught.value)


def test_photos_keep_their_file_and_order() -> None:
    photos = [Photo(Path(f"photos/{folder}/{i}.jpg"), folder)
              for i, folder in enumerate(["Day_Lily", "background", "Day_Lily"])]  # fmt: skip
    matched = match_labels(photos, LABELS, "model")
    assert [p.path for p in matched] == [p.path for p in photos]
    assert [p.label for p in matched] == ["day lily", "background", "day lily"]


def test_a_folder_mapped_to_nothing_is_left_out() -> None:
    photos = [Photo(Path("a.jpg"), "background"), Photo(Path("b.jpg"), "junk")]
    (kept,) = match_labels(photos, LABELS, "model", {"junk": ""})
    assert kept.path == Path("a.jpg")


class TestMap:
    def read(self, folder: Path, text: str) -> dict[str, str]:
        (folder / "map.txt").write_text(text, encoding="utf-8")
        return read_map(folder / "map.txt")

    def test_lines_spaces_and_remarks(self, tmp_path: Path) -> None:
        text = "# folders of 2024\n\n  Rotkehlchen =robin\nleer=\n  # more\na b = c = d\n"
        assert self.read(tmp_path, text) == {"Rotkehlchen": "robin", "leer": "", "a b": "c = d"}

    @pytest.mark.parametrize(
        ("text", "says"),
        [
            ("a = b\n\nrobin\n", "line 3 is 'robin'; expected 'folder = label'"),
            ("a = b\nb = c\na = d\n", "line 3 names the folder 'a' again"),
            ("= robin\n", "line 1 is '= robin'"),
        ],
    )
    def test_what_is_wrong_is_named_with_its_line(
        self, text: str, says: str, tmp_path: Path
    ) -> None:
        with pytest.raises(DatasetError, match=says):
            self.read(tmp_path, text)

    def test_what_is_no_text_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "map.txt").write_bytes(b"\xff\xfe\x00")
        with pytest.raises(DatasetError, match=r"map\.txt: cannot be read as a text file"):
            read_map(tmp_path / "map.txt")
        with pytest.raises(DatasetError, match=r"none\.txt: cannot be read"):
            read_map(tmp_path / "none.txt")


SPECIES = ["background", "tench, Tinca tinca", "day lily", "crane", "Crane"]


@pytest.mark.parametrize(
    ("folder", "label"),
    [("tinca_tinca", SPECIES[1]), ("Day-Lily", SPECIES[2]), ("a day lily", SPECIES[2]),
     ("crane", "crane"), ("the background", "background")],
)  # fmt: skip
def test_folders_find_their_label(folder: str, label: str) -> None:
    (photo,) = match_labels([Photo(Path("a.png"), folder)], SPECIES, "model")
    assert photo.label == label


@pytest.mark.parametrize(
    ("folder", "names", "says"),
    [
        ("CRANE", {}, "may mean 'Crane' or 'crane'"),
        ("day lilly", {}, "no label 'day lilly'"),
        ("tench", {"tensh": "crane"}, "the map names the folder 'tensh'"),
        ("tench", {"tench": ""}, "leaves out all photos"),
    ],
)
def test_folders_without_a_label_are_named(folder: str, names: dict[str, str], says: str) -> None:
    with pytest.raises(DatasetError, match=says):
        match_labels([Photo(Path("a.png"), folder)], SPECIES, "model", names)


@pytest.mark.parametrize("text", ["daisy", "= daisy", "a = b\na = c"])
def test_a_wrong_map_names_the_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "map.txt"
    path.write_text(text)
    with pytest.raises(DatasetError, match=r"line [12] "):
        read_map(path)
