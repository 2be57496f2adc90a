import pytest

from sslcore.errors import RecipeError
from sslcore.training.recipe import Recipe
from sslcore.training.several_devices import wanted
from tests.training.toys import recipe


def test_a_recipe_takes_the_devices_it_can_and_says_so():
    assert wanted(recipe("fixmatch"), 4) == (4, "")
    assert wanted(recipe("fixmatch"), 1) == (1, "")
    assert wanted(recipe("fixmatch", devices=2), 4) == (2, "")
    count, line = wanted(recipe("comatch"), 4)
    assert count == 1
    assert "memory" in line
    assert "One of 4" in line
    assert wanted(recipe("fixmatch"), 4, ["single", "numeric"])[0] == 1
    with pytest.raises(RecipeError, match="remembers"):
        wanted(recipe("temporal_ensembling", devices=2), 4)
    with pytest.raises(RecipeError, match=r"has 1 device.*Received: 2"):
        wanted(recipe("fixmatch", devices=2, device="auto"), 1)
    warm = recipe("fixmatch", devices=2).as_dict() | {"balancing": "pcgrad"}
    with pytest.raises(RecipeError, match="one device"):
        wanted(Recipe.parse(warm), 2)
