"""What a signal's handler raises arrives, also where Python loses it."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap

import pytest

LOSSY = """
    import gc, signal, sys, time
    from grader.signals import raising

    class Over(BaseException):
        pass

    def over(number, frame):
        signal.signal(number, signal.SIG_IGN)
        raise Over

    raising(signal.SIGTERM, over, Over)
    stop = time.monotonic() + 20
    first = [True]

    def callback(phase, info):
        # The first signal always comes while this runs.
        if first:
            first.clear()
            print("here", flush=True)
            time.sleep(20)

    gc.callbacks.append(callback)
    try:
        while time.monotonic() < stop:
            gc.collect()
    except Over:
        print("over")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_what_is_raised_in_a_callback_of_the_garbage_collector_is_raised_again() -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(LOSSY)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert child.stdout is not None
    assert child.stdout.readline() == "here\n"
    child.send_signal(signal.SIGTERM)
    told, said = child.communicate(timeout=30)
    assert (child.returncode, told, said) == (0, "over\n", "")
