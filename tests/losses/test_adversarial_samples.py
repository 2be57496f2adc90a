import torch
import torch.nn.functional as F

from sslcore.losses.adversarial_samples import feature_matching, real_from_drawn


def test_it_is_cross_entropy_with_a_class_more_whose_logit_is_zero():
    torch.manual_seed(0)
    real_UC, drawn_UC = torch.randn(5, 3), torch.randn(4, 3)
    total = 0.0
    for logits_C in real_UC:
        total -= torch.cat([logits_C, torch.zeros(1)]).softmax(0)[:3].sum().log() / 5
    for logits_C in drawn_UC:
        total += F.cross_entropy(torch.cat([logits_C, torch.zeros(1)])[None], torch.tensor([3])) / 4
    torch.testing.assert_close(real_from_drawn(real_UC, drawn_UC), total)


def test_far_logits_do_not_overflow():
    far_UC = torch.full((2, 3), 300.0)
    assert torch.isfinite(real_from_drawn(far_UC, far_UC))
    assert torch.isfinite(real_from_drawn(-far_UC, -far_UC))


def test_features_match_when_their_means_do():
    feature_UD = torch.tensor([[0.0, 1.0], [2.0, 3.0]])
    assert feature_matching(feature_UD, feature_UD.flip(0)) == 0
    assert feature_matching(feature_UD, torch.tensor([[1.0, 2.0]])) == 0
    assert feature_matching(feature_UD, feature_UD + 3.0) == 18
