"""Progress bars on standard error; the only module importing tqdm."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Self, TypeVar

from tqdm import tqdm

T = TypeVar("T")


class Progress:
    """A bar with an estimate of the time left; silent lines where there is no terminal."""

    def __init__(self, title: str, total: int | None, done: int = 0) -> None:
        # Without a terminal one line every 30 s keeps a log readable.
        self._bar = tqdm(
            total=total,
            initial=done,
            desc=title,
            file=sys.stderr,
            mininterval=0.2 if sys.stderr.isatty() else 30,
            dynamic_ncols=True,
        )

    def step(self, count: int = 1, note: str = "") -> None:
        """Advance by `count`, with a short note behind the bar."""
        if note:
            self._bar.set_postfix_str(note, refresh=False)
        self._bar.update(count)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.close()


def with_progress(title: str, items: Sequence[T]) -> Iterable[T]:
    """Iterate over `items` under a progress bar."""
    with Progress(title, len(items)) as progress:
        for item in items:
            yield item
            progress.step()
