"""How gunicorn runs the web process; it reads this file by itself.

Threads, since a request waits for the upstream most of its time; nothing is loaded before the fork, since
connection pools and threads do not survive one.
"""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from typing import Any

from realtime import logs
from token_service import startable_settings

# Here, before any worker tries and dies of it, a wrong setting stops the start with one sentence.
_settings = startable_settings()

wsgi_app = "token_service:create_app()"
bind = f"{'127.0.0.1' if _settings.open_loopback else '0.0.0.0'}:{os.environ.get('PORT', '8000')}"  # noqa: S104  # a server's bind
workers = int(os.environ.get("WEB_CONCURRENCY", "1"))
worker_class = "gthread"
threads = 32
preload_app = False
timeout = 30
graceful_timeout = 15
keepalive = 15
control_socket_disable = True
logconfig_dict = logs.gunicorn_logconfig(_settings.log_level)

_keeper: list[subprocess.Popen[bytes]] = []


def post_worker_init(worker: Any) -> None:
    """What is loaded by now stays: Python would look through all of it at the process's end, for 0.2 s."""
    gc.freeze()


def when_ready(server: Any) -> None:
    """SWITCHBOARD_SPAWN_OBSERVER=1: one observer beside the workers, for hosts that run one command."""
    gc.freeze()  # as in the workers
    if _settings.spawn_observer:
        _keeper.append(subprocess.Popen([sys.executable, "-m", "observer.keeper"]))


def on_exit(server: Any) -> None:
    """The observer goes last, so that it can write down how the workers' last calls ended."""
    for keeper in _keeper:
        keeper.terminate()
        keeper.wait()
