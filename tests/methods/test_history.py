import torch

from sslcore.methods.history import COLUMNS, KEPT, History
from tests.methods import bench


def told(history):
    return [dict(zip(COLUMNS, event, strict=True)) for event in history.events().tolist()]


def test_events_one_item_at_a_time():
    history = History({}, 0, 5)
    sure_UC = torch.tensor([[0.96, 0.04], [0.2, 0.8]])
    history.add(torch.tensor([3, 1]), torch.tensor([-1, 0]), torch.tensor([0, -1]), sure_UC, step=7)
    given_or_taken = told(history)
    taken = {"row": 1, "place": 0, "step": 7, "before": 0, "after": -1, "said": 1, "belief": 200}
    given = {"row": 3, "place": 0, "step": 7, "before": -1, "after": 0, "said": 0, "belief": 960}
    assert given_or_taken == [taken, given]
    assert int(history.taken_back()) == 1


def test_what_does_not_change_is_no_event():
    history = History({}, 0, 2)
    for before, after in ((-1, -1), (1, 1)):
        history.add(
            torch.tensor([0]), torch.tensor([before]), torch.tensor([after]), torch.eye(2)[:1], step=0
        )
    assert told(history) == []


def test_an_item_keeps_its_last_events_and_counts_all():
    history = History({}, 0, 2)
    for step in range(KEPT + 2):
        before, after = (-1, 1) if step % 2 == 0 else (1, -1)
        history.add(
            torch.tensor([1]), torch.tensor([before]), torch.tensor([after]), torch.eye(2)[:1], step=step
        )
    assert [event["step"] for event in told(history)] == list(range(2, KEPT + 2))
    assert [event["place"] for event in told(history)] == list(range(2, KEPT + 2))
    assert int(history.taken_back()) == (KEPT + 2) // 2


def test_an_item_that_was_dealt_several_times_has_one_event():
    history = History({}, 0, 3)
    row_U, none_U, first_U = (
        torch.tensor([2, 2, 0, 2]),
        torch.full((4,), -1),
        torch.zeros(4, dtype=torch.long),
    )
    sure_UC = torch.tensor([[0.9, 0.1]]).repeat(4, 1)
    history.add(row_U, none_U, first_U, sure_UC, step=1)
    history.add(row_U, first_U, none_U, 1 - sure_UC, step=2)
    assert [(event["row"], event["step"]) for event in told(history)] == [(0, 1), (0, 2), (2, 1), (2, 2)]
    assert int(history.taken_back()) == 2  # one of each item


def test_label_correction_writes_down_what_it_does():
    net, given = bench.network(), bench.batch(["weak", "strong"])
    made = bench.method("label_correction", threshold=0.8, keep=0.5, folds=2)
    torch.nn.init.normal_(made.own["judges"][0].weight, generator=torch.Generator().manual_seed(3))
    made.state["0.held_N"].copy_(
        torch.randint(-1, 3, (bench.ITEMS,), generator=torch.Generator().manual_seed(4))
    )
    before_N = made.state["0.held_N"].clone()
    bench.loss(made, net, given=given)
    after_N = made.state["0.held_N"]
    events = told(made.history(0))
    assert [event["row"] for event in events] == torch.nonzero(before_N != after_N)[:, 0].tolist()
    for event in events:
        assert (event["before"], event["after"]) == (int(before_N[event["row"]]), int(after_N[event["row"]]))
        if event["after"] < 0:
            assert event["belief"] < 500
        else:
            assert event["belief"] >= 800
    assert {-1} < {event["after"] for event in events}
    assert int(made.history(0).taken_back()) == sum(event["after"] < 0 for event in events)


def test_other_methods_hold_no_pseudo_labels():
    assert bench.method("fixmatch").history(0) is None
