"""What a signal's handler raises must not be lost.

Python prints and forgets what is raised in a callback of its garbage collector or in a finalizer. Hypothesis has such
a callback, so that a signal often meets it while cases are drawn.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any


def raising(
    number: int, handler: Callable[[int, FrameType | None], None], kind: type[BaseException]
) -> None:
    """Sets the handler of a signal, which raises `kind`; where that is lost, it is called again a little later.

    To be called in the main thread. It holds for one kind of exception in a process, until the process ends.
    """
    signal.signal(number, handler)
    heard(number, handler, kind)


def heard(
    number: int, handler: Callable[[int, FrameType | None], None], kind: type[BaseException]
) -> None:
    """As `raising`, for a handler that is set already."""
    import _thread
    import threading

    def unraisable(lost: Any) -> None:
        if issubclass(lost.exc_type, kind):
            signal.signal(number, handler)  # which may have been set to act only once
            threading.Timer(0.05, _thread.interrupt_main, (number,)).start()
        else:
            sys.__unraisablehook__(lost)

    sys.unraisablehook = unraisable
