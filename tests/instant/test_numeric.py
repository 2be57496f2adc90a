import time

import numpy as np
import pytest
from sklearn.datasets import load_diabetes, load_digits, make_friedman1
from sklearn.linear_model import Ridge, RidgeCV
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

from sslcore.errors import DataError
from sslcore.instant.numeric import NumericLoop, _Ridge
from sslcore.instant.tasks import loop_for, uncertainty
from sslcore.instant.view import View
from sslcore.task_metrics import multiple_report, numeric_figures


def diabetes():
    point_ND, value_N = load_diabetes(return_X_y=True)
    return point_ND * 20, value_N


def digits():
    point_ND, digit_N = load_digits(return_X_y=True)
    return point_ND / 16, digit_N.astype(float)


def friedman():
    return make_friedman1(1500, 10, noise=1, random_state=0)


@pytest.mark.parametrize(
    ("make", "labels", "gain"),
    [(diabetes, 60, -0.05), (diabetes, 200, -0.05), (digits, 60, 0.4), (friedman, 200, 0.1)],
)
def test_at_least_as_good_as_ridge_regression(make, labels, gain):
    point_ND, value_N = make()
    view = View.of("v", point_ND.astype(np.float32))
    ours, peers, inside = [], [], []
    for seed in range(3):
        rows = np.random.default_rng(seed).permutation(len(point_ND))
        known, rest = rows[:labels], rows[labels:]
        result = NumericLoop([view]).fit({int(row): float(value_N[row]) for row in known})
        peer = RidgeCV(np.logspace(-3, 3, 13)).fit(view.head_ND[known], value_N[known])
        ours.append(mean_absolute_error(value_N[rest], result.prediction_N[rest]))
        peers.append(mean_absolute_error(value_N[rest], peer.predict(view.head_ND[rest])))
        inside.append(((result.low_N <= value_N) & (value_N <= result.high_N))[rest].mean())
        assert (result.prediction_N[known] == value_N[known]).all()
        assert result.interval_source == "left-out"
    assert 1 - np.mean(ours) / np.mean(peers) > gain
    assert 0.84 < np.mean(inside) < 0.97  # 90 % promised


@pytest.mark.parametrize("make", [digits, friedman])
def test_numbers_far_off_do_not_bend_the_rest(make):
    """A tenth of the numbers is off by several spreads of the set."""
    point_ND, value_N = make()
    view = View.of("v", point_ND.astype(np.float32))
    spread = value_N.std()
    rng = np.random.default_rng(0)
    rows = rng.permutation(len(point_ND))[:150]
    wrong = rows[:15]
    given_N = value_N.copy()
    given_N[wrong] += rng.choice([-1, 1], 15) * rng.uniform(4, 8, 15) * spread
    loop = NumericLoop([view])
    bent = loop.fit({int(row): float(given_N[row]) for row in rows})
    clean = loop.fit({int(row): float(value_N[row]) for row in rows})
    assert "far off count for less" in bent.reason
    assert "far off" not in clean.reason
    rest_N = ~np.isin(np.arange(len(value_N)), rows)
    error, error_clean, error_head = (
        np.abs(said_N - value_N)[rest_N].mean()
        for said_N in (bent.prediction_N, clean.prediction_N, bent.head_prediction_N)
    )
    assert error < 1.6 * error_clean
    assert error < 0.75 * error_head  # the usual regression is left as it is, to compare with
    off_L = np.abs(bent.value_L - bent.out_of_fold_L)
    assert off_L[np.isin(bent.labelled_row_L, wrong)].min() > 5 * np.median(off_L)
    assert (bent.prediction_N[rows] == given_N[rows]).all()


def test_labels_are_fitted_as_given_again_after_numbers_were_tried():
    point_ND, value_N = friedman()
    view = View.of("v", point_ND.astype(np.float32))
    answers = {row: float(value_N[row]) for row in range(80)}
    loop = NumericLoop([view])
    before = loop.fit(answers).prediction_N
    loop.fit(answers | {3: 900.0, 7: -900.0})
    assert loop.fit(answers).prediction_N == pytest.approx(before, abs=0.05)


def test_the_audit_split_makes_the_interval_and_teaches_nothing():
    point_ND, value_N = friedman()
    view = View.of("v", point_ND.astype(np.float32))
    known = {row: float(value_N[row]) for row in range(60)}
    audit = {row: float(value_N[row]) for row in range(100, 200)}
    loop = NumericLoop([view])
    plain, audited = loop.fit(known), loop.fit(known, audit=audit)
    assert (plain.prediction_N == audited.prediction_N).all()
    assert audited.interval_source == "audit"
    held = list(range(200, 1500))
    inside = ((audited.low_N <= value_N) & (value_N <= audited.high_N))[held].mean()
    assert 0.82 < inside < 0.97
    wrong = loop.fit(known, audit={row: value + 100 for row, value in audit.items()})
    assert wrong.high_N[300] > audited.high_N[300] + 50  # it does look at the audit answers


def test_no_promise_on_a_handful_of_numbers():
    view = View.of("v", diabetes()[0].astype(np.float32))
    loop = loop_for("numeric", [view])
    none = loop.fit({})
    assert np.isnan(none.prediction_N).all()
    assert none.method == "none"
    for known in ({0: 5.0}, {0: 5.0, 1: 5.0}, {row: float(row) for row in range(5)}):
        result = loop.fit(known)
        assert np.isfinite(result.prediction_N).all()
        assert np.isnan(result.high_N[200])
        assert result.interval_source == "none"
    same = loop.fit(dict.fromkeys(range(30), 3.0))
    assert same.prediction_N == pytest.approx(3.0)
    assert uncertainty(same)[0] == 0
    with pytest.raises(DataError, match="finite"):
        loop.fit({0: float("nan")})
    with pytest.raises(DataError, match="below 442"):
        loop.fit({442: 1.0})


def test_left_out_answers_do_not_see_their_number():
    view = View.of("v", digits()[0].astype(np.float32))
    rng = np.random.default_rng(0)
    noise_L = rng.normal(size=80)
    result = NumericLoop([view]).fit({row: float(noise_L[row]) for row in range(80)})
    assert np.corrcoef(result.out_of_fold_L, noise_L)[0, 1] < 0.3
    assert np.abs(result.out_of_fold_L - noise_L).std() > 0.4


def test_in_time():
    point_ND, value_N = friedman()
    view = View.of("v", point_ND.astype(np.float32))
    loop = NumericLoop([view])
    loop.fit({row: float(value_N[row]) for row in range(300)})
    started = time.process_time()
    loop.fit({row: float(value_N[row]) for row in range(301)})
    assert time.process_time() - started < 0.4


def test_figures_are_scikit_learns():
    rng = np.random.default_rng(0)
    truth_A = rng.normal(size=60)
    said_A = truth_A + rng.normal(size=60)
    found = numeric_figures(truth_A, said_A)
    assert found["mae"].value == pytest.approx(mean_absolute_error(truth_A, said_A))
    assert found["rmse"].value == pytest.approx(root_mean_squared_error(truth_A, said_A))
    assert found["r2"].value == pytest.approx(r2_score(truth_A, said_A))
    assert "r2" not in numeric_figures(np.ones(4), np.zeros(4))


def test_figures_of_sets_are_scikit_learns():
    from sklearn.metrics import average_precision_score, f1_score, hamming_loss, precision_score

    rng = np.random.default_rng(0)
    proba_AC = rng.random((70, 4))
    answer_AC = rng.random((70, 4)) < proba_AC
    answer_AC[:, 3] = False
    names = ["a", "b", "c", "d"]
    found = multiple_report(answer_AC, proba_AC, names, threshold=0.4)
    said_AC = proba_AC >= 0.4
    figures = {name: held.value for name, held in found.figures.items()}
    assert figures["micro_f1"] == pytest.approx(f1_score(answer_AC, said_AC, average="micro"))
    assert figures["macro_f1"] == pytest.approx(f1_score(answer_AC[:, :3], said_AC[:, :3], average="macro"))
    assert figures["hamming_loss"] == pytest.approx(hamming_loss(answer_AC, proba_AC >= 0.5))
    assert figures["mean_average_precision"] == pytest.approx(
        average_precision_score(answer_AC[:, :3], proba_AC[:, :3])
    )
    assert figures["subset_accuracy"] == pytest.approx((answer_AC == (proba_AC >= 0.5)).all(axis=1).mean())
    assert found.per_class[1].precision.value == pytest.approx(
        precision_score(answer_AC[:, 1], said_AC[:, 1])
    )
    assert found.per_class[3].support == 0
    for held in found.figures.values():
        assert held.low <= held.value <= held.high


def test_left_out_errors_of_few_numbers_in_many_dimensions_are_as_large_as_they_are():
    rng = np.random.default_rng(0)
    told, true = [], []
    for _ in range(12):
        point_ND = rng.normal(size=(300, 64))
        truth_N = 0.5 * point_ND[:, 0] + rng.normal(size=300)
        result = NumericLoop([View.of("many", point_ND)]).fit({row: float(truth_N[row]) for row in range(4)})
        told.append(np.abs(result.out_of_fold_L - truth_N[:4]).mean())
        true.append(np.abs(result.prediction_N[4:] - truth_N[4:]).mean())
    assert np.mean(told) > 0.75 * np.mean(true)


def test_near_duplicates_do_not_vouch_for_each_other():
    rng = np.random.default_rng(0)
    point_ND = rng.normal(size=(300, 24))
    point_ND[150:] = point_ND[:150] + 1e-3 * rng.normal(size=(150, 24))
    noise_N = rng.normal(size=300)  # nothing of it can be learned but from a twin
    noise_N[150:] = noise_N[:150]
    view = View.of("toy", point_ND.astype(np.float32))
    assert view.group_N is not None
    rows = [*range(40), *range(150, 190)]
    result = NumericLoop([view]).fit({row: float(noise_N[row]) for row in rows})
    once = NumericLoop([view]).fit({row: float(noise_N[row]) for row in range(40)})
    assert np.corrcoef(result.out_of_fold_L[:40], once.out_of_fold_L)[0, 1] > 0.99
    off, off_once = (np.abs(held.out_of_fold_L - held.value_L).mean() for held in (result, once))
    assert off == pytest.approx(off_once, rel=0.05)
    new_N = ~np.isin(np.arange(300) % 150, rows)
    wide, wide_once = ((held.high_N - held.low_N)[new_N].mean() for held in (result, once))
    assert wide == pytest.approx(wide_once, rel=0.2)


def test_a_group_leaves_ridge_regression_as_a_whole():
    rng = np.random.default_rng(0)
    row_LD = rng.normal(size=(30, 5)).astype(np.float32)
    row_LD[20:] = row_LD[:10] + 1e-3
    value_L = row_LD[:, 0] + rng.normal(size=30)
    group_L = np.concatenate([np.arange(20), np.arange(10)])
    left_L = _Ridge(row_LD, group_L, strengths=(0.1,)).fit(value_L).left_L
    for row in (0, 15, 25):
        others = group_L != group_L[row]
        x_LD = np.concatenate([row_LD[others], row_LD[[row]]]).astype(np.float64)
        centre_D, scale = row_LD.mean(axis=0, dtype=np.float64), _scale(row_LD)
        peer = Ridge(alpha=0.1 * scale).fit(x_LD[:-1] - centre_D, value_L[others])
        assert left_L[row] == pytest.approx(peer.predict(x_LD[-1:] - centre_D)[0], abs=2e-3)


def _scale(row_LD):
    """What the strength of the ridge is in units of: the mean squared singular value."""
    return float((np.linalg.svd(row_LD - row_LD.mean(axis=0), compute_uv=False) ** 2).mean())
