"""An interruption is never lost, wherever it comes."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import sys, time, flowbuilder.__main__ as command

class Swallows:
    def __del__(self):
        raise KeyboardInterrupt

sys.unraisablehook = command._raise_again
try:
    Swallows()
    for _ in range(500):
        time.sleep(0.01)
    print("it is lost")
except KeyboardInterrupt:
    print("it came again")
"""


def test_an_interruption_that_python_swallows_comes_again() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)

    assert (done.stdout, done.stderr) == ("it came again\n", "")
