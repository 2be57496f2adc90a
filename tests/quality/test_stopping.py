import numpy as np

from sslcore.quality.stopping import StoppingConfig, advise

STEADY = np.arange(200) % 4
SURE = np.eye(4)[STEADY]


def changed(share, seed=0):
    moved = STEADY.copy()
    at = np.random.default_rng(seed).choice(200, int(200 * share), replace=False)
    moved[at] = (moved[at] + 1) % 4
    return moved


def test_steady_and_sure_says_stop():
    found = advise([STEADY] * 4, SURE, labels_S=[10, 20, 30, 40])
    assert found.stop
    assert (found.kappa, found.changed, found.expected_gain) == (1.0, 0.0, 0.0)
    assert "settled" in found.text


def test_change_says_go_on_and_how_much_is_to_gain():
    found = advise([STEADY, STEADY, STEADY, changed(0.1)], SURE, labels_S=[10, 20, 30, 50])
    assert not found.stop
    assert found.expected_gain == 0.1
    assert "last 20 labels changed 10.0 %" in found.text.replace("%", " %").replace("  ", " ")


def test_one_quiet_step_is_not_enough():
    found = advise([changed(0.2), STEADY, STEADY], np.full((200, 4), 0.25), labels_S=[10, 20, 30])
    assert found.kappa is None
    assert found.uncertainty > 0.999
    assert found.changed == 0
    assert found.expected_gain == 0.2  # the step before counts too
    assert not found.stop


def test_window_and_early_days():
    short = StoppingConfig(window=1)
    assert advise([STEADY, STEADY], SURE, labels_S=[10, 20], config=short).kappa == 1.0
    first = advise([STEADY], SURE, labels_S=[10])
    assert not first.stop
    assert first.expected_gain is None
