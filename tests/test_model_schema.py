"""docs/model.schema.json takes every header that the loader takes, and refuses lies as it does."""

import json
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import every_operation
import numpy as np
import pytest
from jsonschema import Draft202012Validator
from models import operation_named
from mutants import attempt, forged, header_of, with_header

from golden import container, model_file
from golden.activation import INTERCEPT_BITS, SLOPE_BITS
from golden.elementwise import OPERAND_MAX
from golden.fixed import MAX_MULTIPLIER_WIDTH, MAX_SHIFT, PRODUCT_LIMIT
from golden.model import KIND, IntModel
from golden.operations import MAX_LENGTH, OPERATIONS
from golden.weights import FORMATS
from golden.zoo import lstm

SCHEMA = json.loads((Path(__file__).parents[1] / "docs" / "model.schema.json").read_text())
VALIDATOR = Draft202012Validator(SCHEMA)
DEFS = SCHEMA["$defs"]
EVERY = every_operation.MODEL.to_bytes()
LSTM = lstm(1, 5, 3, 4).to_bytes()


def problems(data: bytes) -> list[str]:
    return [
        f"{error.json_path}: {error.message}" for error in VALIDATOR.iter_errors(header_of(data))
    ]


def test_it_is_a_schema():
    Draft202012Validator.check_schema(SCHEMA)
    assert str(container.SCHEMA_VERSION) in SCHEMA["title"]
    assert SCHEMA["$id"].endswith(f":{container.SCHEMA_VERSION}")


@pytest.mark.parametrize("data", [LSTM, EVERY, lstm(2, 96, 64, 128).to_bytes()])
def test_headers_of_models(data):
    assert problems(data) == []


def test_what_the_loader_takes_the_schema_takes():
    """Of mutants: the schema is not narrower than golden's domains."""
    taken = 0
    for data in (LSTM, EVERY):
        for mutant in forged(data, np.random.default_rng(8), 150):
            if not isinstance(attempt(IntModel.from_bytes, mutant), str):
                assert problems(mutant) == []
                taken += 1
    assert taken > 60


def test_operations_and_fields_are_those_of_the_code():
    branches = [DEFS[branch["$ref"].split("/")[-1]] for branch in DEFS["operation"]["oneOf"]]
    assert [b["properties"]["op"]["const"] for b in branches] == list(OPERATIONS)
    for branch in branches:
        kind = branch["properties"]["op"]["const"]
        names = {"op", *(f.name for f in fields(OPERATIONS[kind]))}
        assert set(branch["properties"]) == set(branch["required"]) == names
        assert branch["additionalProperties"] is False


def test_every_object_is_closed():
    def objects(value):
        if isinstance(value, dict):
            if value.get("type") == "object":
                yield value
            value = list(value.values())
        for item in value if isinstance(value, list) else ():
            yield from objects(item)

    assert len(list(objects(SCHEMA))) > len(OPERATIONS)
    assert all("additionalProperties" in found for found in objects(SCHEMA))


def test_keys_and_domains_are_those_of_the_code():
    assert set(SCHEMA["properties"]) == {*model_file.KEYS, "kind", "arrays"}
    assert SCHEMA["properties"]["kind"]["const"] == KIND
    assert set(DEFS["scan"]["properties"]) == model_file.SCAN_KEYS
    dtypes = {dtype for names in model_file.ARRAYS.values() for dtype in names}
    assert set(DEFS["array"]["properties"]["dtype"]["enum"]) == dtypes
    assert DEFS["matvec"]["properties"]["weight_format"]["enum"] == [None, *FORMATS]
    largest = (1 << MAX_MULTIPLIER_WIDTH) - 1
    assert (DEFS["mantissa"]["minimum"], DEFS["mantissa"]["maximum"]) == (1, largest)
    assert (DEFS["term"]["minimum"], DEFS["term"]["maximum"]) == (-largest, largest)
    assert (DEFS["shift"]["minimum"], DEFS["shift"]["maximum"]) == (0, MAX_SHIFT)
    lengths = [t["prefixItems"][1]["maximum"] for t in DEFS["tensor"]["oneOf"]]
    assert lengths == [MAX_LENGTH] * 3
    pwl = DEFS["pwl"]["properties"]
    assert pwl["slopes"]["items"]["maximum"] == (1 << SLOPE_BITS) - 1
    assert pwl["intercepts"]["items"]["maximum"] == (1 << INTERCEPT_BITS) - 1
    factor = DEFS["multiply"]["properties"]["multiplier"]["prefixItems"][0]["maximum"]
    assert factor * OPERAND_MAX**2 < PRODUCT_LIMIT <= (factor + 1) * OPERAND_MAX**2


def put(*path, value) -> Callable[[dict], None]:
    """Another value at a path into the header."""

    def change(header: dict) -> None:
        for key in path[:-1]:
            header = header[key]
        header[path[-1]] = value

    return change


def of(output: str, **changed) -> Callable[[dict], None]:
    """Other fields in the operation that writes `output`."""
    return lambda header: operation_named(header, output).update(changed)


def without(output: str, name: str) -> Callable[[dict], None]:
    return lambda header: operation_named(header, output).pop(name)


def within(name: str, **changed) -> Callable[[dict], None]:
    """Other fields in a part of attention."""
    return lambda header: operation_named(header, "context")[name].update(changed)


LIES = [
    put("kind", value="program"),
    put("more", value=1),
    put("metadata", value=[1]),
    put("metadata", "nested", value=[{"x": 1.5}]),
    put("tensors", value=[]),
    put("tensors", 0, value=["frame", 4, 8]),
    put("tensors", 0, 0, value=""),
    put("tensors", 0, 0, value="a\nb"),
    put("tensors", 0, 0, value="\ud800"),
    put("tensors", 0, 1, value=0),
    put("tensors", 0, 1, value=MAX_LENGTH + 1),
    put("tensors", 0, 1, value=True),
    put("tensors", 0, 2, value=9),
    put("tensors", 0, 3, value=256),
    put("scans", value=[]),
    put("scans", 0, "operations", value=[]),
    put("scans", 0, "reverse", value=0),
    put("scans", 0, "sequence", value=None),
    put("scans", 0, "states", 0, value=["f"]),
    put("outputs", value=[]),
    put("outputs", 0, value=["logits", [1]]),
    put("outputs", 0, value=["logits", [0, 1]]),
    put("outputs", 0, value=["logits", [1, 63]]),
    put("arrays", "fx.bias", "dtype", value="float32"),
    put("arrays", "fx.bias", "shape", value=[-3]),
    put("arrays", "fx.bias", "shape", value=[1, 1, 3]),
    put("arrays", "fx.bias", "more", value=1),
    put("arrays", "fx.bias", "offset", value=None),
    of("fx", op="warp"),
    of("fx", op="multiply"),
    of("fx", more=1),
    without("fx", "bias"),
    of("fx", inputs=[]),
    of("fx", inputs=["frame", "frame"]),
    of("fx", weights=None),
    of("fx", weight_zero_point=-129),
    of("fx", weight_format="binary"),
    of("fh", weight_zero_point=1),
    of("fx", multiplier=[[1], 2]),
    of("fx", multiplier=[[1, 1, 0], [1, 1, 1]]),
    of("fx", multiplier=[[1, 1, 1], [1, 1, 63]]),
    of("x", inputs=["s"]),
    without("x", "table"),
    of("frame", table="x.table"),
    of("gate.pre", start=-1),
    of("gate.pre", start=1 << 20),
    of("memory", inputs=[]),
    of("f.pre", mantissas=[1 << 31, 1]),
    of("f.pre", shift=-1),
    of("f.pre", shift=True),
    of("keep", mantissas=[1]),
    of("keep", mantissas=[1, -1]),
    of("kept", multiplier=None),
    of("kept", multiplier=[[1], [1]]),
    of("kept", multiplier=[(1 << 31) - 1, 0]),
    of("least", inputs=["mixed"]),
    of("scaled", gamma=3),
    of("gate", knots=[]),
    of("gate", knots=[1, 2, 3]),
    of("gate", knots=[0, 2, 2]),
    of("gate", knots=[0, 2, 1 << 16]),
    of("gate", slopes=[0, 0, 1 << 44]),
    of("gate", intercepts=[0, 0, -1 << 60]),
    of("px.norm", mean=None),
    of("px.norm", mantissas=[1, 0]),
    of("px.norm", multiplier=[1, 55]),
    of("context", multiplier=[1, 32]),
    of("context", total=None),
    without("context", "exp"),
    within("total", op="multiply"),
    within("total", mantissas=[1, 1, 1]),
    within("tanh", op="lookup"),
    within("score", multiplier=None),
    within("exp", more=1),
    lambda header: operation_named(header, "context").update(
        total=dict(operation_named(header, "context"))
    ),
]


@pytest.mark.parametrize("lie", range(len(LIES)))
def test_lies_are_refused_by_schema_and_loader(lie):
    header = header_of(EVERY)
    LIES[lie](header)
    data = with_header(EVERY, header)
    assert isinstance(attempt(IntModel.from_bytes, data), str)
    assert problems(data)
