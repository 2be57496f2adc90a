import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sslcore.augment.dice import Dice
from sslcore.augment.token import (
    TokenViews,
    cut_off,
    drop_words,
    mask_span,
    swap_neighbours,
    swap_words,
    word_numbers,
)
from sslcore.models.text_tokens import Vocabulary, kept_features, read_marks

SIZE, PAD, CLS, SEP, MASK = 30, 0, 1, 2, 3
FIRST, PARTS = 4, 20  # pieces from PARTS on continue a word


def vocabulary():
    place_V = torch.arange(SIZE)
    return Vocabulary(place_V < PARTS, place_V < MASK, MASK)


def row(*words, length=16):
    """A row of a text whose words are lists of pieces."""
    pieces = [CLS, *(piece for word in words for piece in word), SEP]
    return pieces + [PAD] * (length - len(pieces))


def rows(count=40, words=8, seed=0):
    rng = torch.Generator().manual_seed(seed)
    made = []
    for _ in range(count):
        text = []
        for _ in range(words):
            more = int(torch.randint(0, 3, (1,), generator=rng))
            text.append([int(torch.randint(FIRST, PARTS, (1,), generator=rng))])
            text[-1] += torch.randint(PARTS, SIZE, (more,), generator=rng).tolist()
        made.append(row(*text, length=words * 3 + 3))
    return torch.tensor(made)


def spoken(token_S):
    """What is left of a text: its pieces without frame, padding, masks, cuts and marks."""
    return [piece for piece in token_S.tolist() if MASK < piece < SIZE]


def whole_words(token_S):
    words = []
    for piece in token_S.tolist():
        if piece > MASK:
            words = [*words, [piece]] if piece < PARTS else [*words[:-1], [*words[-1], piece]]
    return [tuple(word) for word in words]


texts = st.lists(
    st.lists(
        st.tuples(st.integers(FIRST, PARTS - 1), st.lists(st.integers(PARTS, SIZE - 1), max_size=2)),
        max_size=6,
    ),
    min_size=1,
    max_size=6,
)


@settings(max_examples=60, deadline=None)
@given(texts=texts, seed=st.integers(0, 1000))
def test_frame_and_padding_stay_and_no_text_goes_silent(texts, seed):
    token_BS = torch.tensor(
        [row(*[[head, *rest] for head, rest in text], length=24) for text in texts], dtype=torch.long
    )
    made = TokenViews(vocabulary(), torch.arange(FIRST, PARTS))
    dice = Dice(seed)
    for view_BS in (made.weak(token_BS, dice), made.strong(token_BS, dice)):
        assert view_BS.shape == token_BS.shape
        for before_S, after_S in zip(token_BS, view_BS, strict=True):
            inner = after_S[:-1].tolist()
            end = inner.index(SEP)
            assert inner[0] == CLS
            assert not {CLS, SEP, PAD} & set(inner[1:end])
            assert set(inner[end + 1 :]) <= {PAD}
            assert after_S[-1] == PAD or after_S[-1] > SIZE
            assert bool(spoken(before_S)) == bool(spoken(after_S))


def test_the_same_throw_of_the_dice_makes_the_same_views_and_another_one_others():
    token_BS, made = rows(), TokenViews(vocabulary(), torch.arange(FIRST, PARTS))
    dice = Dice(3)
    dice.turn(7)
    first = made.weak(token_BS, dice), made.strong(token_BS, dice)
    dice.turn(8)
    other = made.strong(token_BS, dice)
    dice.turn(7)
    again = made.weak(token_BS, dice), made.strong(token_BS, dice)
    assert all(torch.equal(*pair) for pair in zip(first, again, strict=True))
    assert not torch.equal(first[1], other)
    assert torch.equal(made.plain(token_BS), token_BS)
    same_BS = token_BS[:1].repeat(30, 1)
    assert len({tuple(view_S.tolist()) for view_S in made.strong(same_BS, dice)}) > 25


def test_whole_words_are_dropped_and_the_gaps_closed():
    token_BS = rows()
    out_BS = drop_words(token_BS, 0.4, vocabulary=vocabulary(), rng=torch.Generator().manual_seed(1))
    kept = total = 0
    for before_S, after_S in zip(token_BS, out_BS, strict=True):
        before, after = whole_words(before_S), whole_words(after_S)
        left = iter(before)
        assert all(word in left for word in after)  # in their order, and none broken
        kept, total = kept + len(after), total + len(before)
    assert 0.5 < kept / total < 0.7
    nothing_BS = drop_words(token_BS, 1.0, vocabulary=vocabulary(), rng=torch.Generator())
    assert torch.equal(nothing_BS, token_BS)


def test_a_mark_stays_in_the_last_place_when_words_go():
    token_BS = rows()
    token_BS[:, -1] = SIZE + 5
    out_BS = drop_words(token_BS, 0.4, vocabulary=vocabulary(), rng=torch.Generator().manual_seed(1))
    assert (out_BS[:, -1] == SIZE + 5).all()
    assert (out_BS[:, :-1] <= SIZE).all()


def test_a_hidden_run_is_of_neighbouring_whole_words():
    token_BS = rows()
    known = vocabulary()
    out_BS = mask_span(token_BS, 0.25, vocabulary=known, rng=torch.Generator().manual_seed(1))
    word_BS = word_numbers(token_BS, known)
    for before_S, after_S, word_S in zip(token_BS, out_BS, word_BS, strict=True):
        hidden = sorted(set(word_S[before_S != after_S].tolist()))
        assert len(hidden) == 2  # a quarter of eight words
        assert hidden == [hidden[0], hidden[0] + 1]
        assert (after_S[torch.isin(word_S, torch.tensor(hidden))] == MASK).all()
    starts = {tuple((before != after).tolist()) for before, after in zip(token_BS, out_BS, strict=True)}
    assert len(starts) > 5


def test_words_swap_places_with_their_neighbours_and_none_is_lost():
    token_BS = rows()
    out_BS = swap_neighbours(token_BS, 0.5, vocabulary=vocabulary(), rng=torch.Generator().manual_seed(1))
    moved = total = 0
    for before_S, after_S in zip(token_BS, out_BS, strict=True):
        before, after = whole_words(before_S), whole_words(after_S)
        assert sorted(before) == sorted(after)
        for place, word in enumerate(after):
            assert word in before[max(0, place - 1) : place + 2]
        moved, total = moved + sum(a != b for a, b in zip(before, after, strict=True)), total + len(before)
    assert 0.3 < moved / total < 0.55
    still_BS = swap_neighbours(token_BS, 0.0, vocabulary=vocabulary(), rng=torch.Generator())
    assert torch.equal(still_BS, token_BS)


def test_only_words_of_one_piece_are_swapped_for_words_of_the_pool():
    token_BS = torch.tensor([row([5], [6, 21], [7], [8, 22, 23])] * 200)
    out_BS = swap_words(
        token_BS, torch.tensor([19]), 0.5, vocabulary=vocabulary(), rng=torch.Generator().manual_seed(1)
    )
    changed_BS = out_BS != token_BS
    assert (out_BS[changed_BS] == 19).all()
    assert set(changed_BS.nonzero()[:, 1].tolist()) == {1, 4}
    assert 0.4 < changed_BS[:, 1].float().mean() < 0.6


def test_a_cut_off_takes_pieces_a_run_of_them_or_features():
    token_BS = torch.tensor([row(*[[piece] for piece in range(FIRST, FIRST + 10)])] * 300)
    out_BS = cut_off(token_BS, 0.2, vocabulary=vocabulary(), rng=torch.Generator().manual_seed(1))
    read_BS, mark_B = read_marks(out_BS, SIZE)
    cut_BS = read_BS == SIZE
    marked_B = mark_B > 0
    assert 70 < marked_B.sum() < 130
    assert not cut_BS[marked_B].any()
    assert torch.equal(read_BS[marked_B], token_BS[marked_B])
    runs = [
        place
        for place in (cut_S.nonzero().flatten() for cut_S in cut_BS)
        if len(place) == 2 and place[1] == place[0] + 1
    ]
    assert len(runs) > 60
    singles = cut_BS.sum(1)[~marked_B]
    assert singles.float().mean() == pytest.approx(2, abs=0.35)
    assert len(set(singles.tolist())) > 3


def test_every_mark_cuts_other_features_and_always_the_same():
    mark_B = torch.arange(1, 400)
    kept_BD = kept_features(mark_B, 384, 0.1)
    assert torch.equal(kept_BD, kept_features(mark_B, 384, 0.1))
    cut_BD = (~kept_BD).float()
    assert cut_BD.mean() == pytest.approx(0.1, abs=0.01)
    assert cut_BD.mean(0).max() < 0.2  # no feature is a favourite
    both = (cut_BD[:-1] * cut_BD[1:]).mean()  # neighbouring marks have nothing in common
    assert both == pytest.approx(0.01, abs=0.005)
    assert (cut_BD[:, :-1] * cut_BD[:, 1:]).mean() == pytest.approx(0.01, abs=0.005)
