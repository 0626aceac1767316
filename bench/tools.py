"""`python -m bench.tools`: from the model's call of an empty tool until its output is with the upstream.

Both times are the emulator's own, from its ledger: when it wrote `response.done`, and when the item came.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import requests

from bench.stores import empty_store
from tests.observer.test_sideband import OFFER
from tests.processes import Emulator, House, until
