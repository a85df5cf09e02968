import numpy as np
import pytest
from models import variant

from golden.activation import pwl
from golden.elementwise import AddSpec, MultiplySpec, add, multiply
from golden.executor import Executor
from golden.linear import embedding, matvec
from golden.model import IntModel
from golden.operations import Add, Embedding, State, Tensor
from golden.zoo import GATES, lstm

MODEL = lstm(7, 6, 5, 4)
SPECS = dict(zip((op.output for op in MODEL.operations), MODEL.specs, strict=True))


def by_hand(tokens) -> list[np.ndarray]:
    """The LSTM written out, one sequence, one step after another."""
    ops = {op.output: op for op in MODEL.operations}
    h, c = (np.full(4, MODEL.tensors[name].zero_point) for name in "hc")
    logits = []
    for token in tokens:
        px = matvec(SPECS["px"], embedding(ops["x"].table, token))
        ph = matvec(SPECS["ph"], h)
        gate = {}
        for n, name in enumerate(GATES):
            rows = slice(4 * n, 4 * n + 4)
            gate[name] = pwl(SPECS[name], add(SPECS[f"{name}.pre"], px[rows], ph[rows]))
        fc = multiply(SPECS["fc"], gate["f"], c)
        ij = multiply(SPECS["ij"], gate["i"], gate["j"])
        c = add(SPECS["c.next"], fc, ij)
        h = multiply(SPECS["h.next"], gate["o"], pwl(SPECS["c.tanh"], c))
        logits.append(matvec(SPECS["logits"], h))
    return logits


def test_the_model_is_the_lstm_written_out():
    tokens = [0, 5, 3, 3, 1, 0, 2]
    assert np.array_equal(Executor(MODEL).run([tokens])["logits"][0], by_hand(tokens))


def test_sequences_of_a_batch_do_not_meet():
    tokens = np.random.default_rng(1).integers(0, 6, (5, 9))
    batch = Executor(MODEL, 5).run(tokens)["logits"]
    for n in range(5):
        assert np.array_equal(batch[n], Executor(MODEL).run(tokens[n : n + 1])["logits"][0])


def test_steps_and_runs_agree_and_reset_starts_over():
    executor = Executor(MODEL)
    steps = [executor.step([token])[0] for token in (1, 2, 3)]
    assert np.array_equal(steps, Executor(MODEL).run([[1, 2, 3]])["logits"][0])
    executor.reset()
    assert np.array_equal(executor.step([1])[0], steps[0])


def test_what_is_kept_is_what_was_computed():
    seen = []
    executor = Executor(MODEL, keep=("h.next", "x", "logits"))
    kept = executor.run([[1, 2, 3, 4]], progress=seen.append)
    assert seen == [4]
    assert {n: t.shape for n, t in kept.items()} == {
        "logits": (1, 4, 6), "h.next": (1, 4, 4), "x": (1, 4, 5)
    }  # fmt: skip
    table = next(op.table for op in MODEL.operations if isinstance(op, Embedding))
    assert np.array_equal(kept["x"][0], table[[1, 2, 3, 4]])


def test_clamps_are_counted_over_all_steps():
    executor = Executor(MODEL, 2)
    executor.run(np.zeros((2, 10), int))
    assert "x" not in executor.clamps
    assert "logits" not in executor.clamps
    assert executor.clamps["fc"].seen == 2 * 10 * 4
    again, counted = Executor(MODEL), dict.fromkeys(executor.clamps, 0)
    for _ in range(10):
        before = {name: c.clamped for name, c in again.clamps.items()}
        again.step([0])
        for name, c in again.clamps.items():
            counted[name] += c.clamped - before[name]
    assert {n: c.clamped for n, c in executor.clamps.items()} == {
        n: 2 * k for n, k in counted.items()
    }
    assert any(counted.values())


def test_an_unknown_symbol_is_an_index_error():
    for token in (6, -1):
        with pytest.raises(IndexError, match=r"^index outside 0\.\.5$"):
            Executor(MODEL).step([token])


def test_floats_are_refused():
    with pytest.raises(TypeError, match=r"^token: expected integers"):
        Executor(MODEL).step([1.0])
    with pytest.raises(TypeError, match=r"^tokens: expected integers"):
        Executor(MODEL).run([[1.0]])


def test_tensors_are_copies_and_states_can_be_set():
    executor = Executor(MODEL, 2, keep=("fc",))
    assert set(executor.tensors) == {"h", "c"}
    first = executor.step([1, 2])
    h, c = executor.tensors["h"], executor.tensors["c"]
    assert h.dtype == first.dtype == np.int64
    assert set(executor.tensors) == {"h", "c", "logits", "fc"}
    kept = first.copy(), h.copy()
    second = executor.step([3, 4])
    assert np.array_equal(first, kept[0])
    assert np.array_equal(h, kept[1])
    executor.reset()
    assert set(executor.tensors) == {"h", "c"}
    executor.tensors["h"], executor.tensors["c"] = h, c
    assert np.array_equal(executor.step([3, 4]), second)


@pytest.mark.parametrize("codes", [-1, 256])
def test_a_state_is_set_to_codes_alone(codes):
    executor = Executor(MODEL)
    with pytest.raises(ValueError, match=r"^h: codes outside 0\.\.255$"):
        executor.tensors["h"] = [[codes] * 4]
    with pytest.raises(TypeError, match=r"^h: expected integers"):
        executor.tensors["h"] = [[1.0] * 4]
    with pytest.raises(KeyError):
        executor.tensors["nothing"] = [[1] * 4]


def chain(states) -> IntModel:
    """x(t) delayed by one and by two steps; the sum of all three is the output."""
    tensors = {name: Tensor(name, 1) for name in ("x", "late", "later", "y")}
    table = np.array([[1], [10], [100]], np.uint8)
    operations = (Embedding("x", table), Add("y", ("x", "late", "later"), (1, 1, 1), 0))
    model = lstm(1, 3, 1, 1)
    return variant(model, tensors=tensors, states=states, operations=operations, output="y")


@pytest.mark.parametrize("order", [1, -1])
def test_states_change_at_the_same_moment(order):
    """A state whose source is a state takes what that held, whichever of the two comes first."""
    states = (State("late", "x"), State("later", "late"))[::order]
    y = Executor(chain(states)).run([[0, 1, 2, 0]])["y"][0, :, 0]
    assert y.tolist() == [1, 11, 111, 111]


def test_three_term_and_multiply_specs_come_from_the_tensors():
    specs = chain((State("late", "x"), State("later", "late"))).specs
    assert specs[1] == AddSpec((0, 0, 0), (1, 1, 1), 0, 0)
    z = {name: t.zero_point for name, t in MODEL.tensors.items()}
    multiplier = next(op.multiplier for op in MODEL.operations if op.output == "fc")
    assert SPECS["fc"] == MultiplySpec((z["f"], z["c"]), multiplier, z["fc"])
