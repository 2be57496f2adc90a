"""Cards of advice: what they say of the run of their proposal, as the run goes on."""

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from pages.components.advice import WATCHED
from tests.browser.harness import make_text_project
from tests.workbench.runs import finish


def card(bench, proposal):
    from pages.components.advice import _card

    _card(bench, ["topic"], proposal, 1)


@pytest.fixture
def bench(open_bench):
    return open_bench(make_text_project, n=120, labelled=16)


def test_a_card_follows_its_run_and_lets_it_be_started_again(bench, monkeypatch):
    every, fragment = [], st.fragment

    def watched(body, *, run_every=None):
        every.append(run_every)
        return fragment(body, run_every=run_every)

    monkeypatch.setattr(st, "fragment", watched)
    proposal = bench.advice.counsel(["topic"], minutes=1).proposals[0]
    app = AppTest.from_function(card, kwargs={"bench": bench, "proposal": proposal}).run(timeout=30)
    assert not app.exception
    assert [button.label for button in app.button] == ["Start this", "Change it first"]
    assert every == [None]
    app.button[0].click().run(timeout=30)
    (run,) = bench.store.runs.list()
    assert f"Run {run.id}: queued" in app.caption[-1].value
    assert (app.button[0].label, app.button[0].disabled) == ("Start again", True)
    assert every[-1] == WATCHED
    finish(bench, run.id, figures={"seconds": 60.0})
    app.run(timeout=30)
    assert f"Run {run.id} is done" in app.caption[-1].value
    assert not app.button[0].disabled
    assert every[-1] is None


def test_a_card_whose_run_has_ended_has_the_whole_page_drawn_anew(bench, monkeypatch):
    from pages.components.advice import _trying

    class Anew(Exception):
        pass

    def rerun():
        raise Anew

    monkeypatch.setattr(st, "rerun", rerun)
    proposal = bench.advice.counsel(["topic"], minutes=1).proposals[0]
    run_id = bench.advice.start(["topic"], proposal)
    finish(bench, run_id)
    with pytest.raises(Anew):
        _trying(bench, ["topic"], proposal, True)
