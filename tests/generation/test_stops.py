"""Stop strings: found at the token that completes them, at the same cost for every token."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models
from transformers import PreTrainedTokenizerFast

from harness.generation.stops import Stops

PIECES = ["\n\n", "Q:", " the", "a", "é", "東京", "🙂", "日", " ", "x\n"]
BYTES = list(range(3, 259))


def fallback():
    """Llama's kind of tokenizer: a word mark instead of spaces, one token per byte of what it does not know."""
    vocabulary = {"<unk>": 0, "<s>": 1, "</s>": 2} | {f"<0x{i:02X}>": i + 3 for i in range(256)}
    vocabulary |= {piece: 259 + i for i, piece in enumerate(["▁the", "▁", "a", "Q", ":", "b"])}
    bpe = Tokenizer(models.BPE(vocab=vocabulary, merges=[], byte_fallback=True, unk_token="<unk>"))
    bpe.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    return PreTrainedTokenizerFast(tokenizer_object=bpe)


def first_hit(tokenizer, tokens, until):
    """The number of tokens after which the whole text holds a stop string; None if it never does."""
    texts = (tokenizer.decode(tokens[:n], skip_special_tokens=False) for n in range(1, len(tokens) + 1))
    return next((n for n, text in enumerate(texts, start=1) if any(stop in text for stop in until)), None)


def finish(tokenizer, tokens, until):
    """The same, as the class says, asked after every token."""
    stops = Stops(tokenizer, until=until, ends=frozenset())
    return next((n for n in range(1, len(tokens) + 1) if stops.finished(tokens[:n])), None)


TEXT = st.lists(st.sampled_from(PIECES), min_size=1, max_size=30).map("".join)
UNTIL = st.lists(st.sampled_from(["\n\n", "Q:", "京", "🙂日", " the a", "x", "é東"]), min_size=1, max_size=2)


@settings(max_examples=60, deadline=None)
@given(text=TEXT, until=UNTIL, noise=st.lists(st.integers(2, 300), max_size=6), at=st.integers(0, 40))
def test_stops_are_found_where_the_whole_text_shows_them(tiny, text, until, noise, at):
    """Byte-level tokens: characters of several tokens, stop strings across tokens, tokens that are no text."""
    tokens = tiny.tokenizer().encode(text, add_special_tokens=False)
    tokens[at:at] = noise
    assert finish(tiny.tokenizer(), tokens, until) == first_hit(tiny.tokenizer(), tokens, until)


@settings(max_examples=60, deadline=None)
@given(text=TEXT, until=UNTIL)
def test_stops_are_found_among_single_bytes(text, until):
    """One token per byte, where one broken character would hide all its neighbours."""
    tokenizer = fallback()
    tokens = [byte + 3 for byte in text.encode()]
    assert finish(tokenizer, tokens, until) == first_hit(tokenizer, tokens, until)


@pytest.mark.parametrize("text", ["a b " * 300, "🙂" * 300, "\ufffd" * 300])
def test_every_token_costs_the_same(tiny, text):
    """The tokens decoded in all are a fixed multiple of the tokens of the text."""
    tokenizer, decoded = tiny.tokenizer(), []

    class Counting:
        """The real tokenizer, which notes how much it is asked."""

        def decode(self, tokens, **options):
            """Decodes."""
            decoded.append(len(tokens))
            return tokenizer.decode(tokens, **options)

    tokens = tokenizer.encode(text)
    assert finish(Counting(), tokens, ["\n\n"]) is None
    assert sum(decoded) <= 40 * len(tokens)


def test_an_end_token_ends_a_row_at_once(tiny):
    """Whatever the text is."""
    stops = Stops(tiny.tokenizer(), until=(), ends=frozenset({7}))
    assert [stops.finished(tokens) for tokens in ([5], [5, 6], [5, 6, 7])] == [False, False, True]
