"""Stimulus of the PWL units: every code, after the words of the table where it is loaded."""

from collections.abc import Iterable, Mapping

import numpy as np
from amaranth.lib.data import StructLayout

from golden.activation import LutSpec, PwlSpec, look_up, pwl


def every_code(spec: PwlSpec | LutSpec, seed: int) -> tuple[list[int], list[int]]:
    """Every code in order, then 256 of them in another; golden's answers."""
    codes = np.arange(1 << spec.in_bits)
    order = np.random.default_rng(seed).permutation(codes)
    codes = np.concatenate([codes, order[:256]])
    golden = pwl(spec, codes) if isinstance(spec, PwlSpec) else look_up(spec, codes)
    return codes.tolist(), golden.tolist()


def loaded(
    layout: StructLayout, words: Iterable[Mapping[str, int]], spec: PwlSpec | LutSpec, seed: int
) -> tuple[list[int], list[int], int]:
    """The words that load the table and every code; golden's answers; how many words there are.

    Where it sends a code, a payload's other fields are the complement of a word's: no part of them
    may be taken.
    """
    load = [layout.const(word).as_bits() for word in words]
    other = layout.const({**dict.fromkeys(layout.members, -1), "q": 0, "write": 0}).as_bits()
    codes, outputs = every_code(spec, seed)
    sent = [~load[n % len(load)] & other | code for n, code in enumerate(codes)]
    return load + sent, outputs, len(load)
