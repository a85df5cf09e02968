import json
import os

import numpy as np
import pytest
from mutants import PREFIX, attempt, flipped, forged, header_of, signed, with_header

from golden.container import DTYPES, pack, read_bytes, unpack, write_atomic
from golden.errors import InputError

ARRAYS = {
    "w": np.arange(-6, 6, dtype=np.int8).reshape(3, 4),
    "empty": np.empty((0, 5), np.int32),
    "wide": np.array([-(1 << 62), 1 << 62]),
}
DATA = pack("thing", {"name": "böse", "n": [1, 2, {"k": None}]}, ARRAYS)


def refused(message: str):
    return pytest.raises(InputError, match=f"^file: {message}")


def test_round_trip():
    header, arrays = unpack(DATA, "thing", "file")
    assert header == {"name": "böse", "n": [1, 2, {"k": None}]}
    assert set(arrays) == set(ARRAYS)
    for name, array in ARRAYS.items():
        assert arrays[name].dtype == array.dtype
        assert np.array_equal(arrays[name], array)
    assert pack("thing", header, arrays) == DATA


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_integer_type_and_byte_order(dtype):
    array = np.array([[0, 1, 127]], dtype)
    data = pack("t", {}, {"a": array})
    assert data == pack("t", {}, {"a": array.astype(np.dtype(dtype).newbyteorder(">"))})
    assert unpack(data, "t", "file")[1]["a"].tolist() == [[0, 1, 127]]


def test_equal_content_gives_equal_bytes():
    reversed_names = dict(reversed(ARRAYS.items()))
    assert pack("thing", {"n": [1, 2, {"k": None}], "name": "böse"}, reversed_names) == DATA


@pytest.mark.parametrize(
    ("header", "where"),
    [({"a": 1.0}, "header.a"), ({"a": {"b": [0, 2.5]}}, r"header.a.b\[1\]")],
)
def test_floats_are_never_written(header, where):
    with pytest.raises(TypeError, match=f"^{where}: a float"):
        pack("t", header, {})


def test_float_arrays_are_never_written():
    with pytest.raises(TypeError, match=r"^a: float64 is not an integer type of the container$"):
        pack("t", {}, {"a": np.ones(2)})


@pytest.mark.parametrize("length", [*range(60), *range(60, len(DATA), 7), len(DATA) - 1])
def test_truncated_anywhere(length):
    with refused("(not an irnn file|truncated|SHA-256 differs)"):
        unpack(DATA[:length], "thing", "file")


def test_altered_anywhere():
    for damaged in flipped(DATA, np.random.default_rng(1), 1000):
        with refused("(not an irnn file|schema version|SHA-256 differs)"):
            unpack(damaged, "thing", "file")


def test_what_is_wrong_is_named():
    with refused(r"not an irnn file \(no IRNN magic\); write it with `irnn`$"):
        unpack(b"PNG" + DATA, "thing", "file")
    with refused("truncated at 20 bytes; write it again$"):
        unpack(DATA[:20], "thing", "file")
    with refused("schema version 3, this release reads 2; write it again with this release$"):
        unpack(signed(DATA[:4] + b"\3\0\0\0" + DATA[8:-32]), "thing", "file")
    with refused("SHA-256 differs: truncated or altered; write it again$"):
        unpack(DATA + b"x", "thing", "file")
    with refused("holds a thing, a model was expected$"):
        unpack(DATA, "model", "file")


def entry(**changes) -> dict:
    header = header_of(DATA)
    header["arrays"]["w"] |= changes
    return header


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("{", "Expecting property name"),
        ("[]", "interpreted"),
        ("7", "int"),
        ('{"arrays": {}, "kind": "thing", "x": 1.5}', "a float"),
        ('{"arrays": {}, "kind": "thing", "x": NaN}', "a float"),
        ('{"kind": "thing"}', "arrays"),
        ('{"arrays": {}}', "kind"),
        ('{"arrays": 3, "kind": "thing"}', "int"),
        ('{"arrays": {}, "kind": "thing", "x": ' + "[" * 5000 + "]" * 5000 + "}", "nested"),
        ('{"arrays": {}, "kind": "thing", "x": ' + "9" * 5000 + "}", "digits"),
        (entry(dtype="float64"), "array w: dtype float64"),
        (entry(dtype=[]), "array w: dtype"),
        (entry(shape=[3, 10]), "reshape|buffer"),
        (entry(shape=[-3, -4]), "array w: shape"),
        (entry(shape=[3, 4.0]), "a float"),
        (entry(shape=[True, 12]), "array w: shape"),
        (entry(shape=[1 << 40, 1 << 40]), "reshape"),
        (entry(shape=[0, 1 << 70]), "too large|convert|dimension"),
        (entry(shape=[1] * 70), "dimension"),
        (entry(shape=12), "int"),
        (entry(offset=-1), "array w: shape"),
        (entry(offset=1 << 70), "reshape|buffer"),
        (entry(offset=None), "array w: shape"),
    ],
)
def test_a_malformed_header_is_an_input_error(header, message):
    with pytest.raises(InputError, match=rf"^file: malformed header \(.*({message})"):
        unpack(with_header(DATA, header), "thing", "file")


def test_not_utf_8():
    body = DATA[:8] + (2).to_bytes(8, "little") + b"\xff\xfe" + DATA[PREFIX:-32]
    with refused("malformed header"):
        unpack(signed(body), "thing", "file")


def test_forged_files_are_read_or_refused():
    """With a right digest, the parser itself is on its own."""
    read = 0
    for damaged in forged(DATA, np.random.default_rng(2), 1500):
        content = attempt(unpack, damaged, "thing", "file")
        if isinstance(content, str):
            assert content.startswith("file: ")
            continue
        header, arrays = content
        read += 1
        json.dumps(header)
        assert all(array.dtype.name in DTYPES for array in arrays.values())
    assert 100 < read < 1400


def test_write_atomic_replaces_as_a_whole(tmp_path):
    path = tmp_path / "new" / "file"
    write_atomic(path, b"one")
    write_atomic(path, "zwölf")
    assert path.read_text(encoding="utf-8") == "zwölf"
    assert [p.name for p in path.parent.iterdir()] == ["file"]
    assert path.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("step", ["fdopen", "chmod", "replace"])
@pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt()])
def test_an_interrupted_write_leaves_the_old_file(tmp_path, monkeypatch, step, error):
    path = tmp_path / "file"
    write_atomic(path, b"old")

    def stop(*_):
        raise error

    monkeypatch.setattr(os, step, stop)
    with pytest.raises(type(error)):
        write_atomic(path, b"new")
    monkeypatch.undo()
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_half_written_data_is_never_seen(tmp_path):
    """The text cannot be encoded: the write fails after the file was opened."""
    with pytest.raises(UnicodeEncodeError):
        write_atomic(tmp_path / "file", "\ud800")
    assert list(tmp_path.iterdir()) == []


def test_a_missing_file_says_what_was_expected(tmp_path):
    with pytest.raises(InputError, match=r"nothing: cannot read the model: No such file"):
        read_bytes(tmp_path / "nothing", "model")
    with pytest.raises(InputError, match=r": cannot read the model: Is a directory"):
        read_bytes(tmp_path, "model")
