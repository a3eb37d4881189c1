"""Indefinite articles before labels: "a daisy", "ein Veilchen", "une rose", "una rosa".

The gender of a word is judged by its ending alone. Where the ending does not tell, no
article is said ("Ich sehe Klatschmohn"): nothing is better than a wrong one. A name that
begins with an article already keeps it, so that `speech.names` has the last word.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

# Words that sound otherwise than they are spelled: a unicorn, a European robin.
_CONSONANT_SOUND = ("uni", "eu", "one", "use", "uti")
_VOWEL_SOUND = ("hour", "honest", "heir")
# A final s of these is not a plural's: grass, cactus, iris, gas.
_SINGULAR_ENDS = ("ss", "us", "is")

_GERMAN_FEMININE = ("e", "ung", "heit", "keit", "schaft", "erei")
_GERMAN_MASCULINE = ("er", "ling", "ich", "ig", "ist")
_GERMAN_NEUTER = ("chen", "lein", "tum")
_SPANISH_FEMININE = ("a", "ción", "sión", "dad", "tad")
_FRENCH_FEMININE = ("tion", "té", "ette", "elle", "ine", "ose", "ie", "ère", "ée")
_FRENCH_MASCULINE = ("age", "eau", "ment", "isme", "et", "in", "on", "eur", "ard", "ier")

_ARTICLES: Mapping[str, frozenset[str]] = {
    "en": frozenset({"a", "an", "the", "some"}),
    "de": frozenset({"ein", "eine", "einen", "der", "die", "das", "den", "etwas"}),
    "es": frozenset({"un", "una", "unos", "unas", "el", "la", "los", "las"}),
    "fr": frozenset({"un", "une", "des", "le", "la", "les", "du"}),
}


def with_article(name: str, language: str) -> str:
    """The name with its indefinite article, in the accusative, where `language` has a rule.

    `language` is "en", "de", "es" or "fr"; in others the name comes back as it is.
    """
    rule = _RULES.get(language)
    if rule is None or name.split(" ", maxsplit=1)[0].lower() in _ARTICLES[language]:
        return name
    article = rule(name)
    return f"{article} {name}" if article else name


def is_plural(spoken: str) -> bool:
    """Whether an English label takes no article, judged by its ending alone."""
    word = spoken.lower()
    return len(word) > 3 and word.endswith("s") and not word.endswith(_SINGULAR_ENDS)


def _english(name: str) -> str:
    if is_plural(name):
        return ""
    word = name.lower()
    vowel = word.startswith(("a", "e", "i", "o", "u")) and not word.startswith(_CONSONANT_SOUND)
    return "an" if vowel or word.startswith(_VOWEL_SOUND) else "a"


def _german(name: str) -> str:
    word = name.rsplit(" ", maxsplit=1)[-1].lower()
    if word.endswith(_GERMAN_NEUTER):
        return "ein"
    if word.endswith(_GERMAN_MASCULINE):
        return "einen"
    return "eine" if word.endswith(_GERMAN_FEMININE) else ""


def _spanish(name: str) -> str:
    noun = name.split(" ", maxsplit=1)[0].lower()  # adjectives follow: "rosa roja"
    if noun.endswith("s"):
        return ""
    return "una" if noun.endswith(_SPANISH_FEMININE) else "un"


def _french(name: str) -> str:
    noun = name.split(" ", maxsplit=1)[0].lower()
    if noun.endswith(("s", "x")) and len(noun) > 3:
        return "des"
    if noun.endswith(_FRENCH_MASCULINE):
        return "un"
    return "une" if noun.endswith(_FRENCH_FEMININE) else ""


_RULES: Mapping[str, Callable[[str], str]] = {
    "en": _english,
    "de": _german,
    "es": _spanish,
    "fr": _french,
}
