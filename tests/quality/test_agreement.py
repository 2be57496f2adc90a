import numpy as np
import pytest

from sslcore.errors import DataError
from sslcore.quality.agreement import cohen_kappa, fleiss_kappa, krippendorff_alpha, masi_distance

NO = np.nan
# Krippendorff 2011, example C: four observers, twelve units, gaps
PAPER = np.array(
    [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, NO, NO, NO],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, NO, 3],
        [NO, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, NO],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, NO],
    ]
)


@pytest.mark.parametrize(
    ("scale", "published"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849)]
)
def test_krippendorffs_own_example(scale, published):
    assert krippendorff_alpha(PAPER, scale=scale) == pytest.approx(published, abs=0.001)


def test_numbers_may_be_negative_and_move_together():
    shifted = krippendorff_alpha(PAPER - 7.5, scale="interval")
    assert shifted == pytest.approx(krippendorff_alpha(PAPER, scale="interval"))


def test_sets_differ_by_what_they_do_not_share():
    """Passonneau 2006: Jaccard's, times 1, 2/3 where one holds the other, 1/3 where they only overlap."""
    assert masi_distance({1, 2, 3}, {1, 2, 3}) == masi_distance(set(), set()) == 0
    assert masi_distance({1}, {1, 2, 3}) == pytest.approx(1 - 2 / 9)
    assert masi_distance({1, 2}, {2, 3}) == pytest.approx(1 - 1 / 9)
    assert masi_distance({1}, {2}) == masi_distance(set(), {2}) == 1


def test_a_difference_of_ones_is_the_nominal_scale():
    rng = np.random.default_rng(0)
    answer_RN = np.where(rng.random((3, 40)) < 0.2, NO, rng.integers(4, size=(3, 40)))
    ones = krippendorff_alpha(answer_RN, difference_VV=1.0 - np.eye(4))
    assert ones == pytest.approx(krippendorff_alpha(answer_RN))
    halves = 1.0 - np.eye(4)
    halves[0, 1] = halves[1, 0] = 0.5  # classes that are half alike
    less = np.where(answer_RN == 1, 0, answer_RN)
    between = sorted([ones, krippendorff_alpha(less)])
    assert between[0] - 0.05 < krippendorff_alpha(answer_RN, difference_VV=halves) < between[1] + 0.05


def test_fleiss_own_kind_of_example():
    # ten items, fourteen raters, five classes: κ = 0.210 (worked example in Fleiss' notation)
    count_NC = np.array(
        [
            [0, 0, 0, 0, 14],
            [0, 2, 6, 4, 2],
            [0, 0, 3, 5, 6],
            [0, 3, 9, 2, 0],
            [2, 2, 8, 1, 1],
            [7, 7, 0, 0, 0],
            [3, 2, 6, 3, 0],
            [2, 5, 3, 2, 2],
            [6, 5, 2, 1, 0],
            [0, 2, 2, 3, 7],
        ]
    )
    assert fleiss_kappa(count_NC) == pytest.approx(0.210, abs=0.0005)


def test_cohen_by_hand_with_gaps():
    one, two = np.array([0, 0, 1, 1, -1, 2]), np.array([0, 1, 1, 1, 0, -1])
    assert cohen_kappa(one, two) == pytest.approx((0.75 - 0.5) / 0.5)
    assert cohen_kappa(one[:1], two[:1]) == 1.0
    assert np.isnan(cohen_kappa(one[4:], two[4:]))


def test_chance_is_nought_and_unity_is_one():
    rng = np.random.default_rng(0)
    noise_RN = rng.integers(3, size=(4, 3000)).astype(float)
    assert abs(krippendorff_alpha(noise_RN)) < 0.03
    assert krippendorff_alpha(np.tile(noise_RN[0], (4, 1))) == 1.0
    assert krippendorff_alpha(np.ones((3, 5))) == 1.0
    assert np.isnan(krippendorff_alpha(np.full((2, 4), NO)))


def test_uneven_answers_are_refused():
    with pytest.raises(DataError, match="krippendorff_alpha"):
        fleiss_kappa(np.array([[2, 0], [1, 2]]))
