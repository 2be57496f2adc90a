import dataclasses

import numpy as np
import torch

from sslcore.training.data import TaskLabels, TrainingData
from sslcore.training.run import train
from tests.methods import bench
from tests.training import toys


def heads(made, net, view_D):
    feature_D = net.features(view_D[None])[0]
    others = made.own["heads"][0](feature_D).reshape(2, 3)
    return [net.heads[0](feature_D), *others]


def margin(proba_C, label):
    return proba_C[label] - max(value for index, value in enumerate(proba_C) if index != label)


def test_the_papers_formula_one_item_at_a_time():
    net, given = bench.network(), bench.batch(["weak", "strong"])
    made = bench.method("multimatch", momentum=0.5, unlabelled_weight=2.0)
    torch.nn.init.normal_(made.own["heads"][0].weight, generator=torch.Generator().manual_seed(3))
    moved = {name: 0.8 * view_UD for name, view_UD in given.views.items()}
    earlier = dataclasses.replace(given, views=moved)
    bench.loss(made, net, given=earlier)
    _, told = bench.loss(made, net, given=given)
    steps = []
    mean, share = [0.0] * 3, [[1 / 3] * 3 for _ in range(3)]
    for step in (earlier, given):
        proba = [[logits.softmax(0).tolist() for logits in heads(made, net, v)] for v in step.views["weak"]]
        for head in range(3):
            answers = [item[head].index(max(item[head])) for item in proba]
            tops = [margin(item[head], answer) for item, answer in zip(proba, answers, strict=True)]
            mean[head] = 0.5 * mean[head] + 0.5 * sum(tops) / 12
            share[head] = [0.5 * share[head][c] + 0.5 * answers.count(c) / 12 for c in range(3)]
        steps.append(proba)
    before, proba = steps
    loss, seen = [0.0] * 3, set()
    for row in range(12):
        for head in range(3):
            judges = [other for other in range(3) if other != head]
            answers = [proba[row][judge].index(max(proba[row][judge])) for judge in judges]
            useful = 0
            for judge in judges:
                apm = (margin(before[row][judge], answers[0]) + margin(proba[row][judge], answers[0])) / 2
                useful += apm >= mean[judge] * share[judge][answers[0]] / max(share[judge])
            weight = {0: 0, 1: 3, 2: 1}[useful] if answers[0] == answers[1] else 0
            seen.add(weight)
            log_C = heads(made, net, given.views["strong"][row])[head].log_softmax(0)
            loss[head] -= weight * log_C[answers[0]].item() / 12
    labelled = 0.0
    for view_D, label in zip(given.labelled_B, given.label_TB[0], strict=True):
        labelled -= sum(heads(made, net, view_D)[h].log_softmax(0)[label].item() for h in (1, 2)) / 4
    assert seen == {0, 1, 3}
    assert abs(told.loss_unlabelled.item() - loss[0]) < 1e-4
    assert abs(told.loss_beside.item() - labelled - 2 * (loss[1] + loss[2])) < 1e-3


def test_heads_that_never_agree_teach_nothing():
    net, made = bench.network(), bench.method("multimatch")
    weight_CD, bias_C = made.own["heads"][0].weight, made.own["heads"][0].bias
    with torch.no_grad():
        weight_CD.zero_()
        bias_C.copy_(torch.tensor([9.0, 0, 0, 0, 9.0, 0]))  # the second says 0 and the third says 1, always
        net.heads[0].weight.zero_()
        net.heads[0].bias.copy_(torch.tensor([0, 0, 9.0]))
    loss, told = bench.loss(made, net)
    assert told.weight_TU[0].sum() == 0
    torch.testing.assert_close(loss - told.loss_beside, told.loss_labelled)


def test_an_only_class_is_learned(tmp_path):
    feature_ND = np.random.default_rng(0).normal(size=(12, 4)).astype(np.float32)
    only = TaskLabels("label", "single", 1, np.where(np.arange(12) < 3, 0, -1))
    data = TrainingData("text", [only], feature_ND=feature_ND)
    out = train(toys.recipe("multimatch", steps=2), data, toys.Remember(), folder=tmp_path)
    assert out.proba["label"].tolist() == [[1.0]] * 12
