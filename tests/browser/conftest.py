"""Fixtures of the browser tests.

- ``server``: the app with an empty home of its own, for tests that kill it or count on an empty home;
- ``shared_server``: one app for the whole session; a test makes its project under ``shared_server.home``
  by a name of its own and opens it by ``shared_server.address("label", name)``;
- ``page``: an empty tab; after the test no script error may have happened on it.

>>> # in a test:
>>> # store = make_text_project(shared_server.home, "my-test", n=60)
>>> # page.goto(shared_server.address("label", "my-test")); wait_idle(page)
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.harness import (
    CHROMIUM,
    CHROMIUM_ARGS,
    AppServer,
    Tabs,
    choose,
    make_image_project,
    make_text_project,
    wait_idle,
    wait_until,
)

__all__ = ["AppServer", "choose", "make_image_project", "make_text_project", "wait_idle", "wait_until"]


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=30_000)  # a busy machine is slow, not wrong
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_ARGS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def tabs(browser: Any) -> Iterator[Tabs]:
    held = Tabs(browser)
    yield held
    held.close()


@pytest.fixture
def page(tabs: Tabs, request: pytest.FixtureRequest) -> Iterator[Any]:
    """A page of 1440×900 that knows nothing of former tests; ``page.errors`` holds the script errors."""
    failed = request.session.testsfailed
    page = tabs.open()
    yield page
    errors = list(page.errors)
    tabs.leave(fresh=bool(errors) or request.session.testsfailed > failed)
    assert errors == [], "the page's scripts raised errors"


@pytest.fixture
def server(tmp_path: Any) -> Iterator[AppServer]:
    home = tmp_path / "home"
    home.mkdir()
    app = AppServer(home).start()
    yield app
    app.stop()


@pytest.fixture(scope="session")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppServer]:
    app = AppServer(tmp_path_factory.mktemp("home")).start()
    yield app
    app.stop()
