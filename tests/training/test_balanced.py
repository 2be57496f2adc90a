import numpy as np

from sslcore.training.balanced import BalancedStream

ROW = np.arange(100, 148)
LABEL = np.array([0] * 40 + [1] * 6 + [3] * 2)


def test_every_class_gets_its_share_and_every_item_of_a_class_its_turn():
    stream = BalancedStream(ROW, LABEL, size=7, seed=3)
    dealt = np.concatenate([stream.deal(step) for step in range(120)])
    count = {row: int((dealt == row).sum()) for row in ROW}
    per_class = [sum(count[row] for row in ROW[label == LABEL]) for label in (0, 1, 3)]
    assert per_class == [280, 280, 280]
    for label in (0, 1, 3):
        held = [count[row] for row in ROW[label == LABEL]]
        assert max(held) - min(held) <= 1


def test_a_step_follows_from_the_seed_alone_whatever_was_dealt_before():
    used, fresh = BalancedStream(ROW, LABEL, size=16, seed=5), BalancedStream(ROW, LABEL, size=16, seed=5)
    for step in range(50):
        used.deal(step)
    assert np.array_equal(used.deal(37), fresh.deal(37))
    assert not np.array_equal(fresh.deal(37), BalancedStream(ROW, LABEL, size=16, seed=6).deal(37))
