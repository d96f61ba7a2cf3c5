"""The packing and the metric of the reference."""
import random

import pytest

from reference import bits_per_byte, packed_rows, token_byte_length, windows_scoring_each_token_once


def documents(lengths):
    """Documents whose tokens are (document, position), so that a row shows where each piece came from."""
    return [[(d, i) for i in range(length)] for d, length in enumerate(lengths)]


def pieces(row):
    """[(document, first, count)] in order."""
    out = []
    for d, i in row:
        if out and out[-1][0] == d and out[-1][1] + out[-1][2] == i:
            out[-1][2] += 1
        else:
            out.append([d, i, 1])
    return [tuple(p) for p in out]


def rows(lengths, row_tokens, **options):
    return [pieces(row) for row in packed_rows([documents(lengths)], row_tokens, **options)]


def test_the_longest_document_that_fits_goes_first():
    assert rows([3, 7, 5, 2], 10)[0] == [(1, 0, 7), (0, 0, 3)]


def test_the_earliest_of_equals_wins():
    assert rows([4, 4, 4, 4], 8) == [[(0, 0, 4), (1, 0, 4)], [(2, 0, 4), (3, 0, 4)]]


def test_when_none_fits_the_shortest_is_cut_and_its_rest_is_lost():
    assert rows([8, 6, 7], 5) == [[(1, 0, 5)], [(2, 0, 5)], [(0, 0, 5)]]


def test_with_keep_remainder_every_token_is_used_once():
    lengths = random.Random(1).choices(range(1, 60), k=400)
    used = [token for row in packed_rows([documents(lengths)], 32, keep_remainder=True) for token in row]
    assert len(set(used)) == len(used) == sum(lengths) // 32 * 32


def test_a_text_of_one_document_does_not_repeat_its_head():
    assert rows([20], 5, keep_remainder=True) == [[(0, 5 * i, 5)] for i in range(4)]


@pytest.mark.parametrize("placements, expected", [(1, [0, 1]), (2, [0, 1]), (3, [0, 1, 2])])
def test_the_buffer_is_refilled_by_whole_batches_before_a_placement(placements, expected):
    taken = []

    def batches():
        for d in range(6):
            taken.append(d)
            yield [[(2 * d, 0)], [(2 * d + 1, 0)]]

    next(packed_rows(batches(), row_tokens=placements, buffer_documents=3))
    assert taken == expected  # two batches make 4 documents; the third placement finds 2


@pytest.mark.parametrize("token, true, compatible", [
    (b"the", 3, 3),
    ("é".encode(), 2, 2),
    (b"\x80", 1, 3),  # a lone continuation byte becomes one U+FFFD
    (b"\x80\x80", 2, 6),
    (b"\xf0\x9f\x98", 3, 3),  # the start of a character is one maximal piece
    (b"a\xf0\x9f", 3, 4),
    (b"\xed\xa0\x80", 3, 9),  # a surrogate is no start at all: three pieces
])
def test_byte_lengths_of_torn_characters(token, true, compatible):
    assert token_byte_length(token) == true
    assert token_byte_length(token, autoresearch=True) == compatible
    assert token_byte_length(token, special=True) == 0


def test_special_and_ignored_targets_count_in_neither_sum():
    assert bits_per_byte([1.0, 100.0, 2.0, 7.0], [0, 1, 0, -1], [3, 0]) == pytest.approx(3.0 / (0.6931471805599453 * 6))


@pytest.mark.parametrize("tokens, seq", [(2, 8), (9, 8), (10, 8), (40, 8), (37, 7), (100, 16)])
def test_every_target_is_scored_in_exactly_one_window_with_at_least_half_a_window_before_it(tokens, seq):
    scored = []
    for start, first in windows_scoring_each_token_once(tokens, seq):
        targets = range(start + 1, min(start + seq + 1, tokens))[first:]
        assert start == 0 or all(t - start > seq - seq // 2 - 1 for t in targets)
        scored += targets
    assert scored == list(range(1, tokens))
