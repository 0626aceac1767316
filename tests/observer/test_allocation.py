"""The collector of garbage is kept from what was there at the start, and not from what comes later."""

import subprocess
import sys

from tests.processes import ROOT

GARBAGE = """
import gc, weakref
from observer.allocation import collect_seldom
class Call: pass
old = Call()
collect_seldom()
new = Call()
new.itself, gone = new, weakref.ref(new)
del new
many = [[] for _ in range(200_000)]
print(gone() is None, gc.get_freeze_count() > 1_000, any(one is old for one in gc.get_objects()))
"""


def test_what_was_there_at_the_start_is_not_looked_at_again_and_later_garbage_is_collected() -> None:
    said = subprocess.run(
        [sys.executable, "-c", GARBAGE], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert said.stdout.split() == ["True", "True", "False"]
