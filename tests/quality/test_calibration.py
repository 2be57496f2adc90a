import numpy as np
import pytest

from sslcore.errors import DataError
from sslcore.quality.calibration import (
    apply_temperature,
    expected_calibration_error,
    fit_temperature,
    reliability,
)


def draw(n, *, temperature=1.0, seed=0, classes=5):
    """Probabilities that are right as often as they say, then bent by a temperature."""
    rng = np.random.default_rng(seed)
    true_NC = rng.dirichlet(np.full(classes, 0.4), n)
    label_N = (rng.random((n, 1)) > np.cumsum(true_NC, axis=1)).sum(axis=1).clip(max=classes - 1)
    return apply_temperature(true_NC, temperature), label_N


@pytest.mark.parametrize("bent", [0.4, 1.0, 2.5])
def test_undoes_a_bend(bent):
    proba_NC, label_N = draw(5000, temperature=bent)
    found = fit_temperature(proba_NC, label_N)
    assert found * bent == pytest.approx(1.0, abs=0.08)
    straight = apply_temperature(proba_NC, found)
    assert expected_calibration_error(straight, label_N) < 0.03
    if bent != 1.0:
        assert expected_calibration_error(proba_NC, label_N) > 0.06


def test_formula_one_sample_at_a_time():
    proba_NC, _ = draw(10)
    found = apply_temperature(proba_NC, 2.0)
    for row, old in zip(found, proba_NC):
        root = np.sqrt(np.maximum(old, 1e-12))
        np.testing.assert_allclose(row, root / root.sum())


def test_without_a_prior_it_is_the_likeliest():
    proba_NC, label_N = draw(400, temperature=0.6)
    found = fit_temperature(proba_NC, label_N, prior_strength=0.0)

    def nll(t):
        return -np.log(apply_temperature(proba_NC, t)[np.arange(400), label_N]).sum()

    assert nll(found) <= min(nll(t) for t in np.geomspace(0.1, 10, 200)) + 1e-3


def test_few_labels_stay_sane():
    proba_NC = np.tile([0.7, 0.3], (6, 1))
    assert 0.4 < fit_temperature(proba_NC, np.zeros(6, int)) < 1.0  # all right: likelihood alone says 0
    assert fit_temperature(proba_NC, np.full(6, -1)) == 1.0
    assert fit_temperature(proba_NC[:0], np.zeros(0, int)) == 1.0


def test_temperature_one_changes_nothing_and_the_best_class_stays():
    proba_NC, _ = draw(50)
    np.testing.assert_allclose(apply_temperature(proba_NC, 1.0), proba_NC, atol=1e-9)
    for t in (0.1, 3.0):
        bent_NC = apply_temperature(proba_NC, t)
        np.testing.assert_array_equal(bent_NC.argmax(axis=1), proba_NC.argmax(axis=1))
        np.testing.assert_allclose(bent_NC.sum(axis=1), 1)


def test_error_by_hand():
    proba_AC = np.array([[0.9, 0.1], [0.9, 0.1], [0.6, 0.4], [0.6, 0.4]])
    label_A = np.array([0, 1, 0, 0])
    # confidence 0.9: half right; confidence 0.6: all right
    assert expected_calibration_error(proba_AC, label_A) == pytest.approx(0.5 * 0.4 + 0.5 * 0.4)
    rows = reliability(proba_AC, label_A)
    assert [(row.confidence, row.accuracy, row.count) for row in rows] == [
        (pytest.approx(0.6), 1.0, 2),
        (pytest.approx(0.9), 0.5, 2),
    ]
    assert all(row.low <= row.accuracy <= row.high for row in rows)
    assert np.isnan(expected_calibration_error(np.empty((0, 2)), np.empty(0, int)))


def test_impossible_values_are_refused():
    with pytest.raises(DataError, match="above 0"):
        apply_temperature(np.eye(2), 0.0)
    with pytest.raises(DataError, match="below the 2 columns"):
        fit_temperature(np.eye(2), np.array([0, 2]))
