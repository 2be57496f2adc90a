import json

import pytest

from sslcore.errors import ConfigError, RecipeError
from sslcore.training.data import TrainingData
from sslcore.training.device import choose_device
from sslcore.training.preprocess import plan
from sslcore.training.recipe import Recipe, TrainConfig
from tests.training.toys import blobs, digits


def test_a_recipe_goes_through_json_and_back():
    values = {
        "method": "fixmatch",
        "method_config": {"threshold": 0.8},
        "train_config": {"minutes": 2},
        "seed": 4,
    }
    recipe = Recipe.parse(values)
    assert Recipe.parse(json.loads(json.dumps(recipe.as_dict()))) == recipe
    assert recipe.train_config.minutes == 2.0


@pytest.mark.parametrize(
    ("values", "error", "words"),
    [
        ({}, RecipeError, "must name its method"),
        ({"method": "fixmach"}, RecipeError, "Did you mean 'fixmatch'"),
        ({"method": "fixmatch", "colour": 1}, RecipeError, "no choice 'colour'"),
        ({"method": "fixmatch", "method_config": {"threshold": 2}}, ConfigError, "threshold must be in"),
        ({"method": "fixmatch", "train_config": [1]}, RecipeError, "must be a mapping"),
        ({"method": "fixmatch", "train_config": {"backbone": "resnet9000"}}, ConfigError, "must be one of"),
        ({"method": "fixmatch", "seed": -1}, RecipeError, "seed"),
        ({"method": "fixmatch", "sharing": "hrad"}, RecipeError, "Did you mean 'hard'"),
    ],
)
def test_bad_recipes_say_what_to_do(values, error, words):
    with pytest.raises(error, match=words):
        Recipe.parse(values)


def test_the_network_is_chosen_by_what_there_is_to_read():
    device = choose_device("cpu")
    assert plan(blobs(), TrainConfig(), device).backbone == "feature_mlp"
    assert plan(digits(), TrainConfig(), device).size == 16
    texts = TrainingData("text", [], text_N=["a b", "c"])
    assert plan(texts, TrainConfig(minutes=1), device).backbone == "text_embedding"
