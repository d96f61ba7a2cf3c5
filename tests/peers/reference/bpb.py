"""Bits per byte: a loss that does not depend on the tokenizer."""
import math


def token_byte_length(token, special=False, autoresearch=False):
    """Bytes that a token (its bytes) stands for; 0 for a special token, which leaves it out of the metric.

    autoresearch measures the token's decoded text, in which each maximal piece of invalid UTF-8 has become U+FFFD,
    three bytes long: a lone continuation byte counts 3, the first two bytes of a four-byte character count 3.
    """
    if special:
        return 0
    return len(token.decode("utf-8", errors="replace").encode("utf-8")) if autoresearch else len(token)


def bits_per_byte(nats, targets, byte_lengths):
    """Sum of nats / (ln 2 * sum of bytes) over the targets with a byte length above zero.

    nats and targets are flat and parallel; byte_lengths is indexed by token. Negative targets are left out.
    """
    lengths = [byte_lengths[t] if t >= 0 else 0 for t in targets]
    total = math.fsum(n for n, length in zip(nats, lengths) if length > 0)
    return total / (math.log(2) * sum(lengths))


def windows_scoring_each_token_once(tokens, seq):
    """Propane's evaluation order: windows of seq inputs every seq / 2 tokens, each target scored in one window only.

    Yields (start, first): inputs are tokens[start : start + seq], targets the same shifted by one, and the targets
    from index `first` of the window on are the ones that no earlier window has scored. The last window may be short.
    """
    stride = seq // 2
    start, scored = 0, 1  # tokens[0] is never a target
    while scored < tokens:
        end = min(start + seq + 1, tokens)
        yield start, scored - start - 1
        scored = end
        start += stride
