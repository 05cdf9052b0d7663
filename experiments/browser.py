"""A browser, and MLflow's pages of a store in it: for the pictures of the README and for the browser tests."""

import contextlib
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from typing import TYPE_CHECKING

from adtrack.errors import UserError
from adtrack.tracking.places import is_server

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

_PATIENCE = 300  # seconds until MLflow's pages must be served; a few, where the machine has time


def missing() -> str | None:
    """What to install before a browser can be driven, None if everything is there."""
    if importlib.util.find_spec("playwright") is None:
        return "playwright: pip install -e '.[test]'"
    return None if _program() else "Chromium: apt-get install chromium"


def _program() -> str | None:
    return shutil.which("chromium") or shutil.which("google-chrome")


@contextlib.contextmanager
def chromium() -> Iterator["Browser"]:
    """The system's Chromium, driven by Playwright."""
    if lacking := missing():
        raise UserError("a browser must be there to be driven.", f"it needs {lacking}.")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        # As root, which containers run as, Chromium starts only without its sandbox.
        browser = driver.chromium.launch(executable_path=_program(), args=["--no-sandbox"])
        yield browser
        browser.close()


@contextlib.contextmanager
def mlflow_ui(store: str) -> Iterator[str]:
    """``mlflow ui`` on the store with this URI: its address. A server shows its store itself."""
    if is_server(store):
        yield store.rstrip("/")
        return
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # Its workers outlive the process that is started here, so the whole group is stopped.
    server = subprocess.Popen(
        [sys.executable, "-m", "mlflow", "ui", "--port", str(port), "--workers", "1", "--backend-store-uri", store],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        _wait_for(f"http://127.0.0.1:{port}/health", server)
        yield f"http://127.0.0.1:{port}"
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def _wait_for(address: str, server: subprocess.Popen) -> None:
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until and server.poll() is None:
        try:
            urllib.request.urlopen(address, timeout=2)
            return
        except OSError:
            time.sleep(0.5)
    raise UserError("mlflow ui must start on this store, but it does not answer.", "start it by hand to see why.")


def visit(page: "Page", address: str) -> None:
    """Open one of MLflow's pages: they differ in the part after #, at whose change a browser loads nothing anew."""
    page.goto("about:blank")
    page.goto(address)
