"""The real app, a real browser, and small projects made on the spot; used through ``conftest.py``."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from sslcore.jobs.lock import ERRANDS, EVERYTHING, WorkerLock
from sslcore.store import NewItem, NewLabel, Store

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = os.environ.get("LABELLOOM_CHROMIUM", "/usr/bin/chromium")
CHROMIUM_ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-unsafe-swiftshader",
]
TOPICS = ("sport", "politics", "science", "music")
_WORDS = {
    "sport": "goal match team player coach league season striker penalty stadium",
    "politics": "minister vote parliament election law party coalition budget senate reform",
    "science": "cell telescope protein orbit experiment molecule theory laboratory genome quantum",
    "music": "album guitar concert melody singer drummer chorus orchestra vinyl encore",
}
_FILLER = tuple("a of in on with about after before people day report said new year".split())  # noqa: SIM905


class AppServer:
    """The app as a person starts it, on a free port of 127.0.0.1.

    Args:
        home: The folder of the projects (``LABELLOOM_HOME``).
    """

    def __init__(self, home: Path) -> None:
        self.home = home
        self.port = _free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = home / "server.log"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *, seconds: float = 60.0) -> AppServer:
        """Starts the app and waits until it answers; also after :meth:`kill`, on the same port."""
        env = {**os.environ, "LABELLOOM_HOME": str(self.home), "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(self.port)]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command, cwd=ROOT, env=env, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            try:
                urllib.request.urlopen(f"{self.url}/_stcore/health", timeout=2).close()
                return self
            except (OSError, urllib.error.URLError):
                time.sleep(0.05)
        raise AssertionError(f"The app did not start.\n{self.log.read_text()[-3000:]}")

    def kill(self) -> None:
        """``kill -9``: no chance to finish anything."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        """Ends the app, and the workers that it started: they would go on for a minute after their work."""
        self._stop_app()
        for database in self.home.glob("*/project.db"):
            for file in (EVERYTHING, ERRANDS):
                holder = WorkerLock.holder(database.parent, file=file)
                if holder is not None and holder != os.getpid():
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(holder, signal.SIGTERM)

    def _stop_app(self) -> None:
        if self.process is None or self.process.poll() is not None:
            return
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def address(self, page: str = "", project: str | None = None) -> str:
        """The address of a page (``"label"``) of a project."""
        return f"{self.url}/{page}" + (f"?project={project}" if project else "")


class Tabs:
    """One tab after the other: the next test gets the tab of the one before, with all memory wiped.

    A new tab costs three times as much as the page in it: a window, and the app's scripts compiled anew.

    Args:
        browser: The browser of the session.
    """

    def __init__(self, browser: Any) -> None:
        self._browser = browser
        self._page: Any = None

    def open(self) -> Any:
        """An empty page of 1440×900, whose ``errors`` are the script errors from now on."""
        if self._page is None:
            page = self._page = self._browser.new_context().new_page()
            page.on("pageerror", lambda error: page.errors.append(str(error)))
        self._page.errors = []
        self._page.set_viewport_size({"width": 1440, "height": 900})
        return self._page

    def leave(self, *, fresh: bool = False) -> None:
        """Wipes what the page's origin keeps in the browser; ``fresh``: the next test gets another tab."""
        if fresh or not self._wiped():
            self.close()

    def close(self) -> None:
        """Closes the tab and forgets it."""
        if self._page is not None:
            self._page.context.close()
            self._page = None

    def _wiped(self) -> bool:
        from playwright.sync_api import Error

        page = self._page
        try:
            page.unroute_all()
            page.emulate_media(color_scheme="light")
            page.mouse.move(0, 0)
            if page.url.startswith("http"):
                page.goto("/".join(page.url.split("/")[:3]) + "/_stcore/health")  # the origin without scripts
                page.evaluate("() => { localStorage.clear(); sessionStorage.clear(); }")
            page.goto("about:blank")
            page.context.clear_cookies()
        except Error:  # the tab has crashed, or its app was ended
            return False
        return True


def wait_idle(page: Any, timeout: float = 60_000) -> None:
    """Waits until the script of the page has run and its connection stands."""
    page.wait_for_function(
        "() => { const app = document.querySelector('[data-testid=stApp]');"
        " return app?.dataset.testScriptState === 'notRunning'"
        " && app?.dataset.testConnectionState === 'CONNECTED'; }",
        timeout=timeout,
    )


def wait_until(condition: Callable[[], Any], *, seconds: float = 30.0, what: str = "") -> Any:
    """Asks until the answer is true, and returns it."""
    deadline = time.monotonic() + seconds
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"Not so after {seconds:g} s: {what or condition}")
        time.sleep(0.03)


def choose(page: Any, label: str, option: Any, *, exact: bool = True) -> None:
    """Chooses of a list, as often as it takes: a page that is drawn anew closes a list that was opened.

    Args:
        page: The page.
        label: The list's label.
        option: What to choose: its words, or a pattern.
        exact: Whether these are all its words.
    """
    from playwright.sync_api import TimeoutError as Unseen

    box = page.get_by_role("combobox", name=label, exact=True)
    wanted = page.get_by_role("option", name=option, exact=exact).first

    def chosen() -> bool:
        box.click()
        try:
            wanted.click(timeout=2_000)
        except Unseen:
            return False
        return True

    wait_idle(page)
    wait_until(chosen, what=f"{option} of {label} is chosen")
    wait_idle(page)


def make_text_project(
    home: Path,
    name: str = "texts",
    *,
    n: int = 120,
    classes: Sequence[str] = TOPICS,
    labelled: int = 0,
    key: bool = True,
    texts: Sequence[str] | None = None,
    features: bool = True,
    seed: int = 0,
) -> Store:
    """A text project under ``home``: item i has class ``i % len(classes)``, and words that show it.

    Args:
        home: The folder of the projects.
        name: The project's name.
        n: How many items.
        classes: Names of the classes.
        labelled: The first so many items bring their label.
        key: Whether the answer key is stored too.
        texts: The texts themselves, instead of made ones.
        features: Whether the TF-IDF features are computed at once, so that the machine has a say.
        seed: Of the words.

    Returns:
        The open store, for asking what the app wrote.
    """
    rng = np.random.default_rng(seed)
    vocabularies = [_WORDS[TOPICS[c % len(TOPICS)]].split() for c in range(len(classes))]

    def text(i: int) -> str:
        if texts is not None:
            return texts[i]
        words = [*rng.choice(vocabularies[i % len(classes)], 6), *rng.choice(_FILLER, 8)]
        return f"{i}: " + " ".join(rng.permutation(words).tolist())

    store = Store.create(home / name, modality="text")
    items = []
    for i in range(n if texts is None else len(texts)):
        content = text(i)
        items.append(
            NewItem(
                key=f"text-{i:06d}",
                text=content,
                sha256=hashlib.sha256(f"{i}\0{content}".encode()).hexdigest(),
                labels={"topic": NewLabel(classes[i % len(classes)])} if i < labelled else {},
                answers={"topic": classes[i % len(classes)]} if key else {},
            )
        )
    with store.importing() as batch:
        batch.ensure_task("topic", kind="single", classes=classes)
        batch.add(items)
    if features:
        compute_features(store, "tfidf")
    return store


def make_image_project(
    home: Path,
    name: str = "images",
    *,
    n: int = 60,
    classes: Sequence[str] = ("disc", "square", "cross"),
    labelled: int = 0,
    key: bool = True,
    size: int = 32,
    features: bool = True,
    seed: int = 0,
) -> Store:
    """An image project under ``home``: drawings of ``size`` pixels; item i is of class ``i % len(classes)``.

    Arguments and return value as of :func:`make_text_project`.
    """
    rng = np.random.default_rng(seed)
    store = Store.create(home / name, modality="image")
    items = []
    for i in range(n):
        content = _drawing(i % len(classes), size, rng)
        path = f"{i:06d}.png"
        (store.folder / "media" / path).write_bytes(content)
        items.append(
            NewItem(
                key=f"drawing-{i:06d}",
                media=path,
                sha256=hashlib.sha256(content + str(i).encode()).hexdigest(),
                labels={"shape": NewLabel(classes[i % len(classes)])} if i < labelled else {},
                answers={"shape": classes[i % len(classes)]} if key else {},
            )
        )
    with store.importing() as batch:
        batch.ensure_task("shape", kind="single", classes=classes)
        batch.add(items)
    if features:
        compute_features(store, "pixels")
    return store


def compute_features(store: Store, encoder: str) -> None:
    """Computes the features of a project here and now, as its worker would."""
    from sslcore.features.compute import compute_features as compute
    from sslcore.features.encoder import Items

    images = store.modality == "image"
    items = Items.of_images(store.media_paths()) if images else Items.of_texts(store.texts())
    compute(store.folder, encoder, items)


def _drawing(kind: int, size: int, rng: np.random.Generator) -> bytes:
    image = Image.fromarray(rng.integers(0, 60, (size, size, 3), dtype=np.uint8))
    draw = ImageDraw.Draw(image)
    x, y = rng.integers(size // 4, size // 2, 2).tolist()
    r = size // 4
    colour = [(230, 90, 60), (80, 200, 120), (90, 140, 240)][kind % 3]
    if kind % 3 == 0:
        draw.ellipse((x - r, y - r, x + r, y + r), fill=colour)
    elif kind % 3 == 1:
        draw.rectangle((x - r, y - r, x + r, y + r), fill=colour)
    else:
        draw.line((x - r, y - r, x + r, y + r), fill=colour, width=3)
        draw.line((x - r, y + r, x + r, y - r), fill=colour, width=3)
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
