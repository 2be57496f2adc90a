"""What a key costs on the Label page: until the next sample is painted, until the label is on the disk.

``python benchmarks/label_latency.py [--quick] [--json] [--items N ...] [--busy B ...] [--no-peer]``
The real app on a free port, a real browser (Chromium), real key presses of a fast hand; every figure once
on the machine as it is and once with two busy processes beside it. By default with 1,000 items;
``--items 1000 100000`` measures several sizes.

- painted: from the key's own time stamp to the end of the frame that shows the next sample;
- stored: from the key to the answer of the server, which comes after its commit (``synchronous=FULL``);
- server: the part of that which the server spent, from its ``Server-Timing`` header.

The peer, in the same run: a Streamlit fragment with ``st.button(shortcut=...)``, whose labels are kept in
memory only. The JSON's ``paint_p95_ms``, ``stored_p95_ms`` and ``server_p95_ms`` are the worst over the
sizes without busy processes; those beside them stand under ``busy``, and ``load`` says what else ran.
``--quick``: fewer keys, under a minute.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.browser.harness import CHROMIUM, CHROMIUM_ARGS, AppServer, make_text_project, wait_idle

TARGETS = {"paint_p95_ms": 16.0, "stored_p95_ms": 30.0, "server_p95_ms": 15.0}
PAUSE_MS = 110  # about nine keys a second: faster than anybody reads
PROBE = """
window.probe = { painted: [], stored: [], server: [] };
window.shown = () => null;
const channel = new MessageChannel();
const waiting = [];
channel.port1.onmessage = () => window.probe.painted.push(performance.now() - waiting.shift());
window.addEventListener("keydown", (event) => {
  const before = window.shown(), start = event.timeStamp;
  const look = () => {
    if (window.shown() === before) return requestAnimationFrame(look);
    waiting.push(start);
    channel.port2.postMessage(0);  // handled once the frame in the making has been painted
  };
  requestAnimationFrame(look);
}, true);
window.addEventListener("labelloom:stored", (event) => window.probe.stored.push(event.detail.ms));
new PerformanceObserver((list) => {
  for (const entry of list.getEntries())
    if (entry.name.endsWith("/labelloom/events"))
      for (const timing of entry.serverTiming) window.probe.server.push(timing.duration);
}).observe({ type: "resource", buffered: true });
"""
CARD = (
    "[...document.querySelectorAll('*')].map((n) => n.shadowRoot?.querySelector('.loom') ?? "
    "(n.matches('.loom') ? n : null)).find(Boolean)"
)
PEER = """
import streamlit as st
st.session_state.setdefault("at", 0)
st.session_state.setdefault("labels", {})
def give(c):
    st.session_state.labels[st.session_state.at] = c
    st.session_state.at += 1
@st.fragment
def card():
    at = st.session_state.at
    st.text(f"item {at}: " + "word " * (20 + at % 7))
    for k, c in enumerate(["sport", "politics", "science", "music"]):
        st.button(c, shortcut=str(k + 1), on_click=give, args=(c,))
card()
"""


@contextlib.contextmanager
def busy(processes: int) -> Iterator[None]:
    """Processes that only burn time."""
    burning = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(processes)]
    try:
        yield
    finally:
        for process in burning:
            process.kill()
            process.wait()


def figures(probe: dict[str, list[float]]) -> dict[str, float]:
    found = {}
    for name, label in (("painted", "paint"), ("stored", "stored"), ("server", "server")):
        if probe[name]:
            found[f"{label}_p50_ms"], found[f"{label}_p95_ms"] = (
                round(float(np.percentile(probe[name], q)), 1) for q in (50, 95)
            )
    return found


def press(page: Any, keys: int) -> dict[str, list[float]]:
    page.evaluate("() => { for (const list of Object.values(window.probe)) list.length = 0; }")
    rng = np.random.default_rng(0)
    for k in range(keys):
        page.keyboard.press(str(1 + k % 4))
        page.wait_for_timeout(PAUSE_MS + float(rng.uniform(-30, 30)))
    page.wait_for_timeout(1500)
    return page.evaluate("() => window.probe")  # type: ignore[no-any-return]


def measure(browser: Any, home: Path, items: int, options: argparse.Namespace) -> list[dict[str, Any]]:
    """The Label page at one size, beside so many busy processes as asked for."""
    keys = options.keys
    start = time.perf_counter()
    store = make_text_project(home, f"n{items}", n=items, labelled=40)
    made = time.perf_counter() - start
    rows: list[dict[str, Any]] = []
    server = AppServer(home).start()
    try:
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.add_init_script(PROBE)
        page.goto(server.address("label", store.folder.name))
        wait_idle(page)
        page.wait_for_function(f"() => ({CARD})?.view?.questions.ahead.length > 5", timeout=120_000)
        page.evaluate(f"() => {{ const card = {CARD}; window.shown = () => card.dataset.item; }}")
        press(page, 8)  # the first refit imports and maps what the later ones share
        for processes in options.busy:
            with busy(processes):
                probe = press(page, keys)
            row = {"items": items, "busy": processes, "keys": keys, **figures(probe)}
            row["answered"] = len(probe["painted"])
            rows.append(row)
        held = {row.item_id for row in store.annotations.since() if row.client}
        pressed = len(options.busy) * keys + 8
        if len(held) != pressed:
            raise SystemExit(f"{pressed} keys were pressed and {len(held)} items have a label.")
        page.close()
    finally:
        server.stop()
        store.close()
    print(f"  ({items:,} items: project and features made in {made:.0f} s)", file=sys.stderr)
    return rows


def measure_peer(browser: Any, home: Path, busy_processes: list[int], keys: int) -> list[dict[str, Any]]:
    """The same keys on a fragment of Streamlit's own buttons."""
    script = home / "peer.py"
    script.write_text(PEER)
    server = AppServer(home)
    command = [sys.executable, "-m", "streamlit", "run", str(script), "--server.port", str(server.port)]
    options = [
        "--server.address",
        "127.0.0.1",
        "--server.headless",
        "true",
        "--browser.gatherUsageStats",
        "false",
    ]
    rows = []
    with (home / "peer.log").open("wb") as log:
        process = subprocess.Popen([*command, *options], stdout=log, stderr=log, cwd=home)
    try:
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.add_init_script(PROBE)
        for _ in range(200):
            try:
                page.goto(server.url)
                break
            except Exception:  # it is still starting
                time.sleep(0.1)
        wait_idle(page)
        page.evaluate(
            "() => { window.shown = () => document.querySelector('[data-testid=stText]')?.innerText; }"
        )
        press(page, 5)
        for processes in busy_processes:
            with busy(processes):
                probe = press(page, keys)
            rows.append({"items": "st.button", "busy": processes, "keys": keys, **figures(probe)})
        page.close()
    finally:
        process.terminate()
        process.wait()
    return rows


def table(rows: list[dict[str, Any]]) -> None:
    heads = ("painted", "stored", "server")
    print(
        f"{'items':>10} {'busy':>5} {'keys':>5}" + "".join(f"{h + ' p50/p95':>20}" for h in heads) + "   ms"
    )
    for row in rows:
        cells = [
            f"{row[f'{name}_p50_ms']:g} / {row[f'{name}_p95_ms']:g}" if f"{name}_p95_ms" in row else "–"
            for name in ("paint", "stored", "server")
        ]
        size = f"{row['items']:,}" if isinstance(row["items"], int) else row["items"]
        print(f"{size:>10} {row['busy']:>5} {row['keys']:>5}" + "".join(f"{cell:>20}" for cell in cells))
    targets = "".join(f"{f'≤ {value:g}':>20}" for value in TARGETS.values())
    print(f"{'target p95':>22}{targets}")


def worst(rows: list[dict[str, Any]], processes: int) -> dict[str, float | None]:
    ours = [row for row in rows if isinstance(row["items"], int) and row["busy"] == processes]
    return {name: max((row[name] for row in ours), default=None) for name in TARGETS}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--items", type=int, nargs="+", default=[1000])
    parser.add_argument("--keys", type=int, default=150)
    parser.add_argument("--busy", type=int, nargs="+", default=[0, 2])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--no-peer", action="store_true")
    options = parser.parse_args()
    options.keys = min(options.keys, 50) if options.quick else options.keys

    from playwright.sync_api import sync_playwright

    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_ARGS)
        for items in options.items:
            rows += measure(browser, Path(folder), items, options)
        if not options.no_peer:
            rows += measure_peer(browser, Path(folder), options.busy, min(options.keys, 20))
        browser.close()
    load = round(os.getloadavg()[0], 1)
    print(f"load average at the end: {load:g} on {os.cpu_count()} cores")
    table(rows)
    if options.json:
        more = {"busy": worst(rows, max(options.busy)), "targets": TARGETS, "load": load, "rows": rows}
        print(json.dumps({**worst(rows, min(options.busy)), **more}))


if __name__ == "__main__":
    main()
