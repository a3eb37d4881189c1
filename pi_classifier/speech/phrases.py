"""From labels to what is said of them."""

from __future__ import annotations

import re
from collections.abc import Mapping

from pi_classifier.errors import ConfigError

DEFAULT_PHRASE = "I see a {label}"

_ARTICLE = re.compile(r"\b([Aa])n? (?=\{label\})")
_BRACES = re.compile(r"\{[^}]*\}?|\}")
# Words that sound otherwise than they are spelt: a unicorn, a European robin.
_CONSONANT_SOUND = ("uni", "eu", "one", "use", "uti")
_VOWEL_SOUND = ("hour", "honest", "heir")
# A final s of these is not a plural's: grass, cactus, iris, gas.
_SINGULAR_ENDS = ("ss", "us", "is")


class Phrases:
    """The phrase of each label: `template` or, where `table` has the label, its own.

    ``{label}`` stands for the label with its underscores turned to spaces. In
    English an article before it is fitted: "I see a daisy", "I see an iris",
    "I see roses". Raises `ConfigError` for any other word in braces.
    """

    def __init__(
        self,
        template: str = DEFAULT_PHRASE,
        table: Mapping[str, str] | None = None,
        *,
        english: bool = True,
    ) -> None:
        self._template = template
        self._table = dict(table or {})
        self._english = english
        _check("phrase", template)
        for label, phrase in self._table.items():
            _check(f"phrases.{label}", phrase)

    def of(self, label: str) -> str:
        """What is said when `label` is seen."""
        template = self._table.get(label, self._template)
        spoken = spoken_label(label)
        if self._english:
            template = _ARTICLE.sub(lambda found: _article(found[1], spoken), template)
        return template.replace("{label}", spoken)


def spoken_label(label: str) -> str:
    """The label as it is read aloud: ``red_rose`` is "red rose"."""
    return " ".join(label.replace("_", " ").split())


def is_plural(spoken: str) -> bool:
    """Whether an English label takes no article, judged by its ending alone."""
    word = spoken.lower()
    return len(word) > 3 and word.endswith("s") and not word.endswith(_SINGULAR_ENDS)


def _article(a: str, spoken: str) -> str:
    if is_plural(spoken):
        return ""
    word = spoken.lower()
    vowel = word.startswith(("a", "e", "i", "o", "u")) and not word.startswith(_CONSONANT_SOUND)
    return f"{a}n " if vowel or word.startswith(_VOWEL_SOUND) else f"{a} "


def _check(key: str, template: str) -> None:
    for braces in _BRACES.findall(template):
        if braces != "{label}":
            raise ConfigError(
                f"speech.{key} = {template!r}: {braces!r} means nothing here; "
                "only {label} may stand in braces"
            )
