"""What a user probably meant when a name is not known."""

from __future__ import annotations

from collections.abc import Iterable


def suggestion(word: str, known: Iterable[str]) -> str:
    """Return " Did you mean 'x'?" for the known name closest to `word`, else "".

    Only a name that is really close counts, so that nothing misleading is proposed.
    """
    import difflib  # only when something is already wrong: it costs the start 3 ms

    lower = {name.lower(): name for name in known}
    close = difflib.get_close_matches(word.lower(), lower, n=1, cutoff=0.6)
    return f" Did you mean '{lower[close[0]]}'?" if close else ""
