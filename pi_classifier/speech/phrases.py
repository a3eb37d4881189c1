"""From labels to what is said of them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from pi_classifier.errors import ConfigError

DEFAULT_PHRASES: Mapping[str, str] = {
    "en": "I see {a_label}",
    "de": "Ich sehe {label}",
    "es": "Veo {label}",
    "fr": "Je vois : {label}",
}
"""By language; in any other the name alone is said, which needs no grammar."""

_AND: Mapping[str, str] = {"en": " and", "de": " und", "es": " y", "fr": " et"}
# Spanish says "e" before the sound of an i: "aguja e hilo", but "nieve y hielo".
_SPANISH_I = re.compile(r"h?i(?!e)", re.IGNORECASE)

_CAMERA = "{camera}"
_PLACEHOLDERS = frozenset({"{label}", "{a_label}", _CAMERA})
_BRACES = re.compile(r"\{[^}]*\}?|\}")
_WRITTEN_ARTICLE = re.compile(r"\b([Aa])n? \{label\}")

_ARTICLES = frozenset({"a", "an", "the", "some"})
# Words that sound otherwise than they are spelled: a unicorn, a European robin.
_CONSONANT_SOUND = ("uni", "eu", "one", "use", "uti")
_VOWEL_SOUND = ("hour", "honest", "heir")
# A final s of these is not a plural's: grass, cactus, iris, gas.
_SINGULAR_ENDS = ("ss", "us", "is")


class Phrases:
    """The phrase of each label: `template` or, where `table` has the label, its own.

    ``{label}`` stands for the label's name, ``{a_label}`` for the name with its English
    article: "I see a daisy", "I see an iris", "I see roses". The name is the label with its
    underscores turned to spaces, or what `names` says: labels are of the language a model
    was made in, names of the one spoken. In English the article in "a {label}" is fitted
    as well. In other languages an article tells a word's gender, which its spelling does
    not: there a name has the article that `names` gives it, and both fields are the
    same. An empty `template` is the language's own. ``{camera}`` stands for the camera's name;
    where a camera has one and the phrase leaves it out, it comes first: "Garden: I see a daisy".
    Raises `ConfigError` for any other word in braces.
    """

    def __init__(
        self,
        template: str = "",
        table: Mapping[str, str] | None = None,
        *,
        language: str = "en",
        names: Mapping[str, str] | None = None,
    ) -> None:
        self._template = template or DEFAULT_PHRASES.get(language, "{label}")
        self._table = dict(table or {})
        self._language = language
        self._names = dict(names or {})
        _check("phrase", template)
        for label, phrase in self._table.items():
            _check(f"phrases.{label}", phrase)

    def of(self, label: str, camera: str = "") -> str:
        """What is said when `label` is seen."""
        return self.of_all([label], camera)

    def of_all(self, labels: Sequence[str], camera: str = "") -> str:
        """What is said when all `labels` are seen: "I see a daisy and a rose".

        Those with a phrase of their own have a sentence of their own.
        """
        plain = [label for label in labels if label not in self._table]
        own = [label for label in labels if label in self._table]
        templates = [(self._template, plain)] if plain else []
        templates += [(self._table[label], [label]) for label in own]
        *first, last = (self._said(template, of, camera) for template, of in templates)
        ended = (s if s.endswith((".", "!", "?")) else f"{s}." for s in first)
        text = " ".join([*ended, last])
        if not camera or any(_CAMERA in template for template, _ in templates):
            return text
        return f"{spoken_label(camera)}: {text}"

    def _said(self, template: str, labels: Sequence[str], camera: str) -> str:
        names = [spoken_label(self._names.get(label, label)) for label in labels]
        english = self._language == "en"
        a_name = self._joined([with_article(name) if english else name for name in names])
        words = {
            "{label}": self._joined(names),
            "{a_label}": a_name,
            "{A_label}": a_name[:1].upper() + a_name[1:],
            _CAMERA: spoken_label(camera),
        }
        if english:
            template = _WRITTEN_ARTICLE.sub(r"{\1_label}", template)
        return _BRACES.sub(lambda braces: words[braces[0]], template)

    def _joined(self, names: Sequence[str]) -> str:
        *first, last = names
        if not first:
            return last
        word = _AND.get(self._language, ",")
        if self._language == "es" and _SPANISH_I.match(last):
            word = " e"
        return f"{', '.join(first)}{word} {last}"


def spoken_label(label: str) -> str:
    """The label as it is read aloud: ``red_rose`` is "red rose"."""
    return " ".join(label.replace("_", " ").split())


def with_article(name: str) -> str:
    """The English name with its indefinite article, by its first sound; none before a plural.

    A name that begins with an article keeps it.
    """
    word = name.lower()
    if word.split(" ", maxsplit=1)[0] in _ARTICLES or is_plural(name):
        return name
    vowel = word.startswith(("a", "e", "i", "o", "u")) and not word.startswith(_CONSONANT_SOUND)
    return f"an {name}" if vowel or word.startswith(_VOWEL_SOUND) else f"a {name}"


def is_plural(name: str) -> bool:
    """Whether an English name takes no article, judged by its ending alone."""
    word = name.lower()
    return len(word) > 3 and word.endswith("s") and not word.endswith(_SINGULAR_ENDS)


def _check(key: str, template: str) -> None:
    for braces in _BRACES.findall(template):
        if braces not in _PLACEHOLDERS:
            raise ConfigError(
                f"speech.{key} = {template!r}: {braces!r} means nothing here; "
                "only {label}, {a_label} and {camera} may stand in braces"
            )
