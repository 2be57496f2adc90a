"""Forms made from configs: what a form gives back is a valid config, whatever its fields are."""

import pytest
from streamlit.testing.v1 import AppTest

from pages.components.config_form import explain, step_of, title
from sslcore.config import describe, parse
from sslcore.methods import METHODS
from sslcore.training.recipe import TrainConfig

CONFIGS = {"train": TrainConfig} | {entry.name: entry.config for entry in METHODS}


def form(params, values):
    import streamlit as st

    from pages.components.config_form import config_form

    st.session_state["found"] = config_form(params, values, key="k")


def shown(config, values=None):
    params = [param.__dict__ | {"choices": list(param.choices)} for param in describe(config)]
    return AppTest.from_function(form, kwargs={"params": params, "values": values or {}}).run(timeout=30)


@pytest.mark.parametrize("name", ["train", "fixmatch", "mean_teacher", "supervised"])
def test_an_untouched_form_is_the_config_itself(name):
    app = shown(CONFIGS[name])
    assert not app.exception
    assert parse(CONFIGS[name], app.session_state["found"]) == CONFIGS[name]()


def test_values_start_where_asked_and_reach_the_config():
    app = shown(TrainConfig, {"batch": 32, "weight_decay": 0.0005})
    assert app.session_state["found"]["batch"] == 32
    app.number_input(key="k:weight_decay").set_value(0.001).run()
    app.number_input(key="k:steps").set_value(500).run()
    app.selectbox(key="k:device").set_value("cpu").run()
    held = parse(TrainConfig, app.session_state["found"])
    assert (held.weight_decay, held.steps, held.device, held.learning_rate) == (0.001, 500, "cpu", None)


def test_ranges_are_those_of_the_config():
    app = shown(CONFIGS["fixmatch"])
    slider = app.slider(key="k:threshold")
    assert (slider.min, slider.max, slider.value) == (0.0, 1.0, 0.95)
    number = app.number_input(key="k:unlabelled_weight")
    assert (number.min, number.max) == (0.0, 1000.0)


def test_labels_help_and_steps_suit_the_field():
    assert title("unlabelled_weight") == "Unlabelled weight"
    assert title("evaluate_every_s") == "Evaluate every (s)"
    told = explain(describe(CONFIGS["fixmatch"])[-1].__dict__)
    assert told == "Confidence a pseudo-label needs. From 0 to 1; default 0.95."
    assert [step_of(value) for value in (50.0, 0.0005, None)] == [1.0, 1e-5, 0.1]


def test_a_choice_with_a_pattern_takes_other_names_too():
    name = "timm:resnet18?pretrained=false"
    app = shown(TrainConfig, {"backbone": name})
    assert not app.exception
    assert app.session_state["found"]["backbone"] == name
    app.selectbox(key="k:backbone").set_value("small_cnn").run()
    assert parse(TrainConfig, app.session_state["found"]).backbone == "small_cnn"
    proto = app.selectbox(key="k:backbone").proto
    assert proto.accept_new_options
    assert not app.selectbox(key="k:device").proto.accept_new_options
