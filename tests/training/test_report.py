"""The report of a real run: right figures, one file, safe against its own labels."""

from __future__ import annotations

import base64
import io
import json
import logging
import os
import re
import shutil
import tempfile
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from pi_classifier_training.cli import main
from pi_classifier_training.data.dataset import Photo
from pi_classifier_training.data.label_folders import label_named
from pi_classifier_training.data.splits import group_of, place
from pi_classifier_training.evaluation.evaluate import evaluate
from pi_classifier_training.evaluation.metrics import wilson
from pi_classifier_training.evaluation.scoring import Outcomes
from pi_classifier_training.modelfile.writer import write_model_file
from pi_classifier_training.reporting.model_files import MeasuredFile
from pi_classifier_training.reporting.page import render
from pi_classifier_training.reporting.report import page_of, report_after_training
from pi_classifier_training.reporting.subject import ReportOptions, Subject
from PIL import Image

from pi_classifier.modelfile.model_file import read_model_file
from tests.browser import Browser

# Made once and kept: with a new cache folder matplotlib would look at every font again.
os.environ.setdefault("MPLCONFIGDIR", f"{tempfile.gettempdir()}/pi-classifier-tests-matplotlib")

VOID = {"meta", "img", "br", "link", "input", "hr"}
LARGEST_BYTES = 2_000_000
# What could be taken for a tag, an attribute, an entity, a template, mathematics.
HOSTILE = ("<img src=x onerror=alert(1)>", "\"'><svg onload=alert(1)>&amp;{{ 7*7 }}", "$x_$ 黄色")


class Parsed(HTMLParser):
    """What a page holds: its texts, tags with attributes, and whether tags are balanced."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open_tags: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open_tags.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open_tags.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open_tags and self.open_tags[-1] != "style":
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())


def require_self_contained(page: str) -> Parsed:
    """Balanced, accessible, small, and nothing to be loaded from anywhere."""
    parsed = Parsed(page)
    assert parsed.open_tags == []
    assert len(page.encode()) < LARGEST_BYTES
    assert not re.search(r"https?://|url\((?!#)|@import", page)
    names = {tag for tag, _ in parsed.tags}
    assert not names & {"script", "link", "iframe", "object", "embed", "form"}
    for tag, attributes in parsed.tags:
        address = attributes.get("src") or attributes.get("href") or ""
        assert not address or address.startswith(("data:image/jpeg;base64,", "#"))
        assert not [name for name in attributes if name.startswith("on")]
        assert tag != "img" or attributes["alt"]
    marks = [a["id"] for _, a in parsed.tags if a.get("id")]
    assert len(marks) == len(set(marks))
    links = [a["href"] for tag, a in parsed.tags if tag == "a"]
    assert links
    for link in links:
        assert str(link).removeprefix("#") in marks
    return parsed


@pytest.fixture(scope="module")
def page(run: Path, photos: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    out = tmp_path_factory.mktemp("report") / "page.html"
    arguments = ["report", str(run), "--image-dir", str(photos), "-o", str(out)]
    assert main(arguments) == 0
    return out.read_text()


def test_the_page_is_one_file_that_loads_nothing(page: str) -> None:
    parsed = require_self_contained(page)
    assert {"Which file to copy?", "What does it confuse?"} <= set(parsed.texts)


def test_its_figures_are_those_of_evaluate(page: str, run: Path, photos: Path) -> None:
    text = Parsed(page).text
    for kind in ("int8", "float32"):
        record = evaluate(str(run / f"{kind}.tflite"), [photos])
        assert f"{kind}.tflite" in text
        assert f"{100 * record['top1']:.1f}" in text
        assert f"measured on {record['n']} photos kept aside" in text


def test_a_network_from_scratch_gets_no_learning_curve_and_is_told_why(page: str) -> None:
    assert "Left out: it retrains the last layer on what the rest" in Parsed(page).text


def test_retrain_ends_with_a_report(run: Path) -> None:
    require_self_contained((run / "report.html").read_text())


def test_a_learning_curve_from_published_weights(run: Path, photos: Path, tmp_path: Path) -> None:
    import keras

    published = keras.applications.MobileNet(
        input_shape=(96, 96, 3), alpha=0.25, include_top=False, weights=None
    )
    weights = tmp_path / "published.weights.h5"
    published.save_weights(weights)
    out = tmp_path / "page.html"
    arguments = ["report", str(run), "--image-dir", str(photos), "-o", str(out)]
    assert main([*arguments, "--weights", str(weights)]) == 0
    text = require_self_contained(out.read_text()).text
    # So few photos hold out fewer than it takes to see a trend: measured, but no forecast.
    assert re.search(r"cannot be said: \d+ photos to check on are too few", text)


def hostile_copy(run: Path, photos: Path, folder: Path) -> tuple[Path, Path]:
    """The run and its photos with labels that attack, turned round: every answer is wrong."""
    copy = Path(shutil.copytree(run, folder / "run"))
    record = json.loads((copy / "run.json").read_text())
    record["card"]["name"] = HOSTILE[0]
    record["labels"] = [label_named(label) for label in HOSTILE]
    (copy / "run.json").write_text(json.dumps(record))
    (copy / "float32.tflite").unlink()
    model = read_model_file(copy / "int8.tflite")
    (copy / "int8.tflite").write_bytes(
        write_model_file((copy / "int8.tflite").read_bytes(), HOSTILE, model.manifest.details)
    )
    turned = (*model.labels[1:], model.labels[0])
    for label, attack in zip(turned, HOSTILE, strict=True):
        shutil.copytree(photos / label, folder / "photos" / attack)
    # A name that is no text in any encoding, among the photos that the page shows.
    first = next((folder / "photos").rglob("*.png"))
    # It tests, for it is the first of many.
    names = (os.fsdecode(b"\xff<b>%d.png" % number) for number in range(200))
    shutil.copy(first, first.with_name(min(names, key=lambda name: place(group_of(name)))))
    return copy, folder / "photos"


def test_labels_and_names_cannot_become_part_of_the_page(
    run: Path, photos: Path, tmp_path: Path
) -> None:
    copy, attacking = hostile_copy(run, photos, tmp_path)
    arguments = ["report", str(copy), "--image-dir", str(attacking), "--no-learning-curve"]
    assert main(arguments) == 0
    parsed = require_self_contained((copy / "report.html").read_text())
    for label in HOSTILE:
        assert " ".join(label.split()) in parsed.text
    assert any("\\udcff<b>" in text for text in parsed.texts)
    assert "Of 100 new photos about 0 are named rightly" in parsed.text or (
        "less than" in parsed.text
    )


def test_thumbnails_are_small_pictures_without_metadata(
    run: Path, photos: Path, tmp_path: Path
) -> None:
    copy, attacking = hostile_copy(run, photos, tmp_path)
    assert main(["report", str(copy), "--image-dir", str(attacking)]) == 0
    parsed = Parsed((copy / "report.html").read_text())
    sources = [a["src"] for tag, a in parsed.tags if tag == "img"]
    assert len(sources) >= 12
    for source in sources:
        assert source is not None
        image = Image.open(io.BytesIO(base64.b64decode(source.partition(",")[2])))
        assert image.format == "JPEG"
        assert max(image.size) <= 220
        assert not image.getexif()


def many_labels(count: int, tmp_path: Path) -> bytes:
    """The page of a made-up model of `count` labels, right on three of four photos."""
    rng = np.random.default_rng(1)
    labels = tuple(f"species number {i}" for i in range(count))
    n = 12 * count
    truth = np.arange(n, dtype=np.int64) % count
    given = np.where(rng.random(n) < 0.75, truth, rng.integers(0, count, n))
    top = rng.uniform(0.3, 1, n).astype(np.float32)
    zeros = np.zeros(n, np.int64)
    photos = tuple(
        Photo(tmp_path / labels[t] / f"{i}.jpg", labels[t]) for i, t in enumerate(truth)
    )
    second = top / np.float32(2)
    outcomes = Outcomes(
        photos, truth, given, top, second, (given != truth).astype(np.int64), zeros, zeros + 10**6
    )
    accuracy = wilson(int(outcomes.right.sum()), n)
    model = tmp_path / "int8.tflite"
    file = MeasuredFile(model, "int8", labels, 1000, 900, accuracy, accuracy, 1.0, outcomes)
    model.write_bytes(b"no model: its time cannot be estimated, which must do no harm")
    options = ReportOptions(learning_curve=False)
    return render(page_of(Subject(tmp_path, {}, (), photos, [file], options)))


@pytest.mark.parametrize("count", [20, 21, 300])
def test_of_many_labels_the_worst_come_first(count: int, tmp_path: Path) -> None:
    parsed = require_self_contained(many_labels(count, tmp_path).decode())
    # A matrix only where it can be read.
    assert ("Who is taken for whom" in parsed.texts) == (count <= 20)
    assert (f"All {count} labels" in parsed.text) == (count > 20)
    assert "Confused most" in parsed.texts


def test_a_report_that_fails_is_only_a_warning(
    run: Path, photos: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bare = tmp_path / "run"
    bare.mkdir()
    shutil.copy(run / "run.json", bare)
    with caplog.at_level(logging.WARNING):
        assert list(report_after_training(bare, [photos], "none", None)) == []
    assert "no report was written" in caplog.text
    assert "holds no usable model file" in caplog.text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere"], "nowhere: is not the output of"),
        (["{run}", "-o", "nowhere/page.html"], "there is no folder nowhere; make it first"),
    ],
)
def test_what_a_user_did_wrong_is_said(
    arguments: list[str], said: str, run: Path, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [argument.format(run=run) for argument in arguments]
    assert main(["report", *given, "--image-dir", str(photos)]) != 0
    assert said in capsys.readouterr().err


def test_a_file_of_other_labels_is_left_out_not_fatal(
    run: Path, photos: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    copy = Path(shutil.copytree(run, tmp_path / "run"))
    data = (copy / "int8.tflite").read_bytes()
    details = read_model_file(copy / "int8.tflite").manifest.details
    (copy / "int8.tflite").write_bytes(write_model_file(data, ("a", "b", "c"), details))
    with caplog.at_level(logging.WARNING):
        arguments = ["report", str(copy), "--image-dir", str(photos), "--no-learning-curve"]
        assert main(arguments) == 0
    assert "int8.tflite: does not know the label 'cyan'" in caplog.text
    assert "Copy float32.tflite" in (copy / "report.html").read_text()


@pytest.mark.parametrize("width", [360, 1200])
def test_in_a_real_browser_it_fits_and_nothing_is_complained_of(
    browser: Browser, width: int, page: str, run: Path, photos: Path, tmp_path: Path
) -> None:
    copy, attacking = hostile_copy(run, photos, tmp_path)
    assert main(["report", str(copy), "--image-dir", str(attacking)]) == 0
    (tmp_path / "page.html").write_text(page)
    (tmp_path / "many.html").write_bytes(many_labels(300, tmp_path))
    for file in (tmp_path / "page.html", copy / "report.html", tmp_path / "many.html"):
        browser.open(file, width, dark=width == 360)
        assert browser.problems == []
        assert set(browser.requested) <= {"file", "data"}
        assert browser.evaluate("document.documentElement.scrollWidth") <= width
        assert "Which file to copy?" in browser.evaluate("document.body.innerText")
        broken = "[...document.images].filter(i => !i.naturalWidth).length"
        assert browser.evaluate(broken) == 0
    shown = browser.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (shown == "rgb(18, 22, 27)") == (width == 360)
