"""Hides what gives access to a camera, wherever an address is shown or logged."""

from __future__ import annotations

import re

MASK = "***"

_SCHEME = r"(?P<scheme>\b[a-z][a-z0-9+.-]*://)"
# In quotes an address ends with them: passwords hold spaces, too.
_QUOTED = re.compile(
    rf"(?P<quote>[\"']){_SCHEME}(?P<rest>(?:\\.|(?!(?P=quote)).)*)", re.IGNORECASE
)
_BARE = re.compile(rf"(?<![\"']){_SCHEME}(?P<rest>[^\s\"'<>]*)", re.IGNORECASE)
# A name and a password whose address has lost its scheme, or a part of it.
_FORGOTTEN = re.compile(
    r"(?<![^\s\"'=(\[,])(?:[a-z][a-z0-9+.-]*:/?)?[^\s\"'<>/:@*]+:(?!/)[^\s\"'<>]*@", re.IGNORECASE
)


def masked(text: str) -> str:
    """Return `text` with everything secret of the addresses in it as ``***``.

    Of an address stay the scheme, host, port and path. Before the host goes all up to the
    last ``@`` of the whole address, since passwords hold ``/`` and ``@`` themselves; behind
    it the query, the fragment and every part of the path that assigns something, as in
    ``/user=a_password=b``: cameras take passwords in all of these places. Where a ``?`` or
    ``#`` comes before the last ``@``, which may then be the query's, only the scheme stays.
    """
    quoted = _QUOTED.sub(lambda match: match["quote"] + _shown(match), text)
    return _FORGOTTEN.sub(f"{MASK}@", _BARE.sub(_shown, quoted))


def masked_address(address: str) -> str:
    """Return one address, with whatever stands before its last ``@`` as ``***``.

    For what was meant as an address, spaces in it and a forgotten scheme included.
    """
    scheme, separator, rest = address.partition("://")
    if separator:
        return f"{scheme}://{_rest_shown(rest)}"
    _, at, place = address.rpartition("@")
    return f"{MASK}@{place}" if at else address


def _shown(match: re.Match[str]) -> str:
    return match["scheme"] + _rest_shown(match["rest"])


def _rest_shown(rest: str) -> str:
    """The address behind its scheme."""
    user, at, path = rest.rpartition("@")
    if "?" in user or "#" in user:
        return MASK
    mark = ""
    for sign in "?#":
        path, hidden, _ = path.partition(sign)
        mark = sign + MASK if hidden else mark
    host, *parts = path.split("/")
    shown = "/".join([host, *(MASK if "=" in part else part for part in parts)])
    return f"{MASK + at if at else ''}{shown}{mark}"
