from hypothesis import given
from hypothesis import strategies as st

from sslcore.features.sentences import packed


@given(st.lists(st.integers(1, 50), max_size=40), st.integers(1, 120))
def test_every_text_once_and_no_batch_too_large(lengths, tokens):
    batches = list(packed(lengths, tokens))
    assert sorted(row for batch in batches for row in batch) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) == 1 or len(batch) * max(lengths[row] for row in batch) <= tokens
