"""From labels to what is said of them."""

from __future__ import annotations

import re
from collections.abc import Mapping

from pi_classifier.errors import ConfigError
from pi_classifier.speech.articles import with_article

DEFAULT_PHRASES: Mapping[str, str] = {
    "en": "I see {a_label}",
    "de": "Ich sehe {a_label}",
    "es": "Veo {a_label}",
    "fr": "Je vois : {label}",
}
"""By language; in any other the name alone is said, which needs no grammar."""

_WORDS = frozenset({"{label}", "{a_label}"})
_ENGLISH_ARTICLE = re.compile(r"\b([Aa])n? \{label\}")
_BRACES = re.compile(r"\{[^}]*\}?|\}")


class Phrases:
    """The phrase of each label: `template` or, where `table` has the label, its own.

    ``{label}`` stands for the label's name, ``{a_label}`` for the name with its article:
    "I see a daisy", "I see an iris", "I see roses". The name is the label with its
    underscores turned to spaces, or what `names` says: labels are of the language a model
    was made in, names of the one spoken. In English the article in "a {label}" is fitted
    as well. An empty `template` is the language's own.
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

    def of(self, label: str) -> str:
        """What is said when `label` is seen."""
        template = self._table.get(label, self._template)
        name = spoken_label(self._names.get(label, label))
        a_name = with_article(name, self._language)
        words = {
            "{label}": name,
            "{a_label}": a_name,
            "{A_label}": a_name[:1].upper() + a_name[1:],
        }
        if self._language == "en":
            template = _ENGLISH_ARTICLE.sub(r"{\1_label}", template)
        return _BRACES.sub(lambda found: words[found[0]], template)


def spoken_label(label: str) -> str:
    """The label as it is read aloud: ``red_rose`` is "red rose"."""
    return " ".join(label.replace("_", " ").split())


def _check(key: str, template: str) -> None:
    for braces in _BRACES.findall(template):
        if braces not in _WORDS:
            raise ConfigError(
                f"speech.{key} = {template!r}: {braces!r} means nothing here; "
                "only {label} and {a_label} may stand in braces"
            )
