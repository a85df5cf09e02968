"""Reading a model file takes memory in proportion to the file, not to what it claims."""

import tracemalloc

import numpy as np
import pytest
from every_operation import MODEL
from mutants import header_of, with_header

from golden import container
from golden.errors import InputError
from golden.fixed import FixedPoint
from golden.model import IntModel
from golden.operations import MAX_LENGTH, Input, MatVec, Tensor
from golden.zoo import lstm


def products(count: int) -> IntModel:
    """`count` products of the same ternary weights."""
    weights = np.resize(np.array([0, 1, -1, 1, 1], np.int8), (256, 255))
    tensors = {"x": Tensor("x", 255)} | {f"y{n}": Tensor(f"y{n}", 256) for n in range(count)}
    bias = np.zeros(256, np.int32)
    made = [MatVec(n, ("x",), weights, bias, FixedPoint(1, 3), weight_format="ternary")
            for n in tensors if n != "x"]  # fmt: skip
    return IntModel.single(tensors, (), (Input("x"), *made), "y0", FixedPoint(1, 0))


def test_equal_packed_weights_are_unpacked_once():
    """Or a small file could ask for memory without end."""
    data = products(50).to_bytes()
    assert list(header_of(data)["arrays"]) == ["y0.bias", "y0.weights"]
    assert len(data) < 30_000
    model = IntModel.from_bytes(data)
    assert len({id(op.weights) for op in model.operations[1:]}) == 1


def peak_refusing(data: bytes) -> int:
    """Bytes allocated at once while the file is refused."""
    tracemalloc.start()
    try:
        with pytest.raises(InputError):
            IntModel.from_bytes(data)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("weight_format", [None, "ternary", "exponential"])
def test_memory_follows_the_file_not_what_it_claims(weight_format):
    """A matrix of 2^20 x 2^20, of which no byte is there."""
    data = lstm(1, 5, 3, 4).to_bytes()
    header = header_of(data)
    for tensor in header["tensors"]:
        tensor[1] = MAX_LENGTH
    for op in header["scans"][0]["operations"]:
        if op["op"] == "matvec":
            op["weight_format"] = weight_format
    operations = header["scans"][0]["operations"]
    header["scans"][0]["operations"] = [op for op in operations if op["op"] != "embedding"]
    claim = with_header(data, header)
    assert peak_refusing(claim) < 1 << 20


@pytest.mark.parametrize("shape", [[MAX_LENGTH, MAX_LENGTH], [0, 1 << 62], [1 << 40, 0]])
def test_arrays_claim_no_memory(shape):
    data = MODEL.to_bytes()
    header = header_of(data)
    header["arrays"]["fx.weights"]["shape"] = shape
    claim = with_header(data, header)
    assert peak_refusing(claim) < 1 << 20


def test_arrays_do_not_overlap():
    """A thousand arrays over the same bytes would be a thousand times the file."""
    blob = np.zeros(100_000, np.uint8)
    data = container.pack("model", {}, {"a": blob})
    header = header_of(data)
    header["arrays"] = {f"a{n}": header["arrays"]["a"] for n in range(1000)}
    claim = with_header(data, header)
    with pytest.raises(InputError, match="a1: offset 0, the one before ends at 100000"):
        IntModel.from_bytes(claim)
    assert peak_refusing(claim) < 4_000_000
