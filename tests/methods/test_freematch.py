import torch

from sslcore.losses.adaptive import fairness
from tests.methods import bench


def test_the_papers_formula_one_item_at_a_time():
    net, made = bench.network(), bench.method("freematch", momentum=0.5, fairness_weight=0.1)
    given = bench.batch(["weak", "strong"])
    proba_UC = torch.stack([net(view_D[None])[0][0].softmax(0) for view_D in given.views["weak"]])
    made.state["0.confidence"].fill_(0.9)  # else a first batch reaches all thresholds
    confidence = 0.5 * 0.9 + 0.5 * proba_UC.max(1).values.mean().item()
    mean_C = [0.5 / 3 + 0.5 * value for value in proba_UC.mean(0).tolist()]
    answers = proba_UC.argmax(1).tolist()
    histogram_C = [0.5 / 3 + 0.5 * answers.count(label) / 12 for label in range(3)]
    total, kept = 0.0, []
    for proba_C, strong_D in zip(proba_UC, given.views["strong"], strict=True):
        label = int(proba_C.argmax())
        kept.append(float(proba_C.max() >= confidence * mean_C[label] / max(mean_C)))
        total -= kept[-1] * net(strong_D[None])[0][0].log_softmax(0)[label].item()
    _, told = bench.loss(made, net, given=given)
    strong_UC = torch.cat([net(view_D[None])[0] for view_D in given.views["strong"]])
    fair = fairness(strong_UC, torch.tensor(kept), torch.tensor(mean_C), torch.tensor(histogram_C))
    assert 0 < sum(kept) < 12
    assert told.weight_TU[0].tolist() == kept
    assert abs(told.loss_unlabelled.item() - (total / 12 + 0.1 * fair.item())) < 1e-5


def test_with_thresholds_that_stand_still_it_is_fixmatch():
    net, given = bench.network(), bench.batch(["weak", "strong"])
    made = bench.method("freematch", momentum=1.0, fairness_weight=0.0)
    made.state["0.confidence"].fill_(0.7)
    fixmatch = bench.loss(bench.method("fixmatch", threshold=0.7), net, given=given)[0]
    torch.testing.assert_close(bench.loss(made, net, given=given)[0], fixmatch)
