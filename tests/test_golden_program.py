from dataclasses import replace

import numpy as np
import pytest
from mutants import attempt, flipped, forged, header_of, with_header

from golden.errors import InputError
from golden.isa import Instruction
from golden.machine import Host, Machine, MachineError
from golden.npu_config import CONFIGS
from golden.program import Program
from golden.registers import windows
from golden.zoo import lstm
from irnn_hw.compiler import compile_model

PROGRAM = compile_model(lstm(1, 5, 3, 4, pieces=3), CONFIGS["tiny"])
DATA = PROGRAM.to_bytes()


def test_round_trip_byte_for_byte(tmp_path):
    PROGRAM.save(tmp_path / "program.irnn")
    again = Program.load(tmp_path / "program.irnn")
    assert again.to_bytes() == DATA == (tmp_path / "program.irnn").read_bytes()
    assert again.instructions == PROGRAM.instructions
    assert (again.labels, again.buffers) == (PROGRAM.labels, PROGRAM.buffers)
    assert again.config == PROGRAM.config
    assert again.sha256 == PROGRAM.sha256


def test_the_listing_is_for_reading():
    listing = header_of(DATA)["listing"]
    assert listing[-1] == "halt"
    assert any(line.startswith("embed ") and " b=5" in line for line in listing)


def test_truncated_and_altered_files_are_refused():
    rng = np.random.default_rng(3)
    for length in rng.integers(len(DATA), size=200):
        with pytest.raises(InputError, match=r"^program: "):
            Program.from_bytes(DATA[:length])
    for damaged in flipped(DATA, rng, 200):
        with pytest.raises(InputError, match=r"^program: "):
            Program.from_bytes(damaged)


def test_forged_files_give_a_program_or_an_input_error():
    """With a right digest. What is read keeps its bytes, and the machine runs or refuses it."""
    read = ran = 0
    for damaged in forged(DATA, np.random.default_rng(6), 1500):
        program = attempt(Program.from_bytes, damaged, "file")
        if isinstance(program, str):
            assert program.startswith("file: ")
            continue
        read += 1
        assert program.to_bytes() == damaged
        assert set(program.images()) == set(windows(program.config))
        if read % 5 == 0:
            ran += _runs(program)
    assert read > 100
    assert ran > 10


def _runs(program: Program) -> bool:
    try:
        Machine(program, 2, Host([0, 1])).run()
    except MachineError:
        return False
    return True


def test_images_are_what_the_windows_hold():
    images, table = PROGRAM.images(), windows(PROGRAM.config)
    for name, image in images.items():
        assert image.dtype == np.uint32
        assert image.shape[1] == table[name].lanes
        assert len(image) <= table[name].words
    bytes_of = {name: image.astype("<u4").tobytes() for name, image in images.items()}
    assert bytes_of["weights"] == PROGRAM.weights.tobytes()
    assert bytes_of["bias"] == PROGRAM.bias.tobytes()
    assert bytes_of["constants"][: len(PROGRAM.constants)] == PROGRAM.constants.tobytes()
    assert bytes_of["segments"] == PROGRAM.segments.tobytes()
    for n, i in enumerate(PROGRAM.instructions):
        assert i.encode().to_bytes(24, "little") == bytes_of["program"][24 * n : 24 * (n + 1)]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"instructions": PROGRAM.instructions * 10}, r"program: \d+ needed, configuration tiny"),
        ({"weights": np.zeros((20000, 2, 2), np.int8)}, "weights: 20000 needed, configuration"),
        ({"bias": np.zeros(1025, np.int32)}, "bias: 1025 needed, configuration tiny holds 1024;"),
        ({"constants": np.zeros(4097, np.uint8)}, "constants: 4097 needed, configuration tiny"),
        ({"knots": np.zeros((9, 15), np.uint8)}, "knots: 9 needed, configuration tiny holds 8;"),
        ({"weights": PROGRAM.weights.astype(int)}, "weights: int64 .* int8 .* expected"),
        ({"weights": PROGRAM.weights[:, :, :1]}, "weights: int8 .* expected"),
        ({"segments": PROGRAM.segments[:-1]}, r"segments: int32 \(79, 2\); int32 \(80, 2\)"),
        ({"knots": PROGRAM.knots[:, :-1]}, "knots: uint8 .* expected"),
        ({"labels": ()}, r"labels: 0 for \d+ instructions"),
        ({"instructions": (), "labels": ()}, "labels: 0 for 0 instructions"),
        ({"model_sha256": 3}, "labels, buffers, model_sha256: text expected"),
        ({"outputs": 0}, "outputs, buffers: integers expected"),
        ({"outputs": 5.0}, "outputs, buffers: integers expected"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(fields, message):
    with pytest.raises(InputError, match=f"^{message}"):
        replace(PROGRAM, **fields)


def changed(**fields) -> bytes:
    return with_header(DATA, header_of(DATA) | fields)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (changed(config={"name": "c"}), "malformed program .*missing"),
        (changed(config=header_of(DATA)["config"] | {"rows": 3}),
         "configuration tiny: rows 3 is no power of two"),
        (changed(listing=[]), "malformed program .*not in the one form"),
        (changed(buffers={"x": [7, 0, 1]}), "malformed program .*7 is not a valid Bank"),
        (changed(buffers={"x": [0]}), "malformed program"),
        (changed(outputs="3"), "outputs, buffers: integers expected"),
    ],
)  # fmt: skip
def test_a_header_that_lies_is_refused_by_name(data, message):
    with pytest.raises(InputError, match=f"^f: {message}"):
        Program.from_bytes(data, "f")


def test_an_opcode_that_does_not_exist():
    body = bytearray(DATA)
    position = DATA.index(PROGRAM.instructions[-1].encode().to_bytes(24, "little"), 0)
    assert Instruction.decode(0) == PROGRAM.instructions[-1]
    body[position] = 3
    with pytest.raises(InputError, match=r"^f: "):
        Program.from_bytes(with_header(bytes(body), header_of(DATA)), "f")
