"""What is said of a label."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pi_classifier.errors import ConfigError
from pi_classifier.speech.phrases import Phrases, is_plural, spoken_label


@pytest.mark.parametrize(
    ("label", "phrase"),
    [
        ("daisy", "I see a daisy"),
        ("iris", "I see an iris"),
        ("Egyptian cat", "I see an Egyptian cat"),
        ("roses", "I see roses"),
        ("sunflowers", "I see sunflowers"),
        ("red_roses", "I see red roses"),
        ("grass", "I see a grass"),
        ("cactus", "I see a cactus"),
        ("gas", "I see a gas"),
        ("European_robin", "I see a European robin"),
        ("unicycle", "I see a unicycle"),
        ("hourglass", "I see an hourglass"),
        ("African_daisy", "I see an African daisy"),
        ("the_last_daisy", "I see the last daisy"),
        ("some honey", "I see some honey"),
    ],
)
def test_default_phrase(label: str, phrase: str) -> None:
    assert Phrases().of(label) == phrase


def test_own_phrases_come_first() -> None:
    phrases = Phrases("Look, {label}", {"daisy": "a daisy!", "rose": "An {label} at last"})
    assert phrases.of("daisy") == "a daisy!"
    assert phrases.of("rose") == "A rose at last"
    assert phrases.of("tulips") == "Look, tulips"


def test_other_languages_keep_their_words() -> None:
    assert Phrases("Vedo a {label}", language="it").of("iris") == "Vedo a iris"
    assert Phrases(language="it").of("red_iris") == "red iris"


@pytest.mark.parametrize(
    ("language", "name", "phrase"),
    [
        ("de", "Gänseblümchen", "Ich sehe Gänseblümchen"),
        ("de", "ein_Zimmer", "Ich sehe ein Zimmer"),
        ("de", "die Rosen", "Ich sehe die Rosen"),
        ("es", "flor", "Veo flor"),
        ("es", "una flor", "Veo una flor"),
        ("fr", "maison", "Je vois : maison"),
        ("fr", "une maison", "Je vois : une maison"),
    ],
)
def test_names_of_other_languages_have_the_article_they_are_given(
    language: str, name: str, phrase: str
) -> None:
    assert Phrases(language=language, names={"x": name}).of("x") == phrase
    assert Phrases(language=language).of(name) == phrase  # a model may have such labels
    own = Phrases("{label}, {a_label}", language=language)
    assert own.of(name) == "{0}, {0}".format(spoken_label(name))


def test_an_article_may_begin_the_sentence() -> None:
    phrases = Phrases("An {label}, and {a_label}", names={"daisy": "The daisy"})
    assert phrases.of("iris") == "An iris, and an iris"
    assert phrases.of("roses") == "Roses, and roses"
    assert phrases.of("daisy") == "The daisy, and The daisy"


def test_braces_in_a_label_are_only_text() -> None:
    assert Phrases().of("{label}") == "I see a {label}"


@pytest.mark.parametrize("template", ["I see {lable}", "{}", "{", "}", "{label.x}", "{label"])
def test_unknown_braces_are_refused(template: str) -> None:
    with pytest.raises(ConfigError, match=r"speech\.phrase = .*only \{label\}, "):
        Phrases(template)
    with pytest.raises(ConfigError, match=r"speech\.phrases\.daisy"):
        Phrases(table={"daisy": template})


@given(st.text())
def test_spoken_label_is_one_clean_line(label: str) -> None:
    spoken = spoken_label(label)
    assert "_" not in spoken
    assert spoken == " ".join(spoken.split())


@given(st.sampled_from(["", "s", "as", "bus", "bees", "ss", "beess", "bees "]))
def test_only_words_longer_than_three_letters_are_plural(word: str) -> None:
    assert is_plural(word) == (word == "bees")


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("", "bird feeder: I see a daisy"),
        ("A {label} at the {camera}!", "A daisy at the bird feeder!"),
    ],
)
def test_the_name_of_the_camera_is_said(template: str, text: str) -> None:
    assert Phrases(template).of("daisy", "bird_feeder") == text


def test_the_name_of_the_camera_is_said_once() -> None:
    phrases = Phrases(table={"rose": "Roses at the {camera}"})
    assert phrases.of_all(["daisy", "rose"], "gate") == "I see a daisy. Roses at the gate"
