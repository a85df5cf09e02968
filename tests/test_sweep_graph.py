"""irnn_hw.sweep.graph: order, failures, what is kept, processes that end."""

import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial

import pytest

from irnn_hw.sweep.graph import ATTEMPTS, Graph, Task
from irnn_hw.sweep.store import Store

SPAWN = multiprocessing.get_context("spawn")
threads = partial(ThreadPoolExecutor, 2)


def add(*values):
    return sum(values)


def end():
    os._exit(1)


def run(graph, executor=threads):
    graph.run(executor, 2, lambda: None)
    return graph


def tasks():
    return [
        Task("sum", add, (10,), ("one", "two"), final=True),
        Task("one", add, (1,)),
        Task("two", add, (2,)),
    ]


def test_needs_come_first_and_results_are_kept(tmp_path):
    first = run(Graph(tasks(), Store(tmp_path)))
    assert first.results == {"one": 1, "two": 2, "sum": 13}
    assert first.computed == 3
    again = Graph(tasks(), Store(tmp_path))
    assert (again.pending, again.results) == (0, first.results)


def test_only_what_is_missing_runs(tmp_path):
    run(Graph(tasks(), Store(tmp_path)))
    (tmp_path / "two.json").write_text("{ half a fi")
    again = run(Graph(tasks(), Store(tmp_path)))
    assert again.computed == 1
    assert again.results["two"] == 2


def test_a_failure_is_that_of_what_needs_it_and_is_tried_again_next_time(tmp_path):
    wrong = [Task("bad", add, ("x",)), Task("after", add, (1,), ("bad",)), Task("one", add, (1,))]
    graph = run(Graph(wrong, Store(tmp_path)))
    assert graph.results == {"one": 1}
    assert graph.failures.keys() == {"bad", "after"}
    assert "unsupported operand" in graph.failures["after"]
    assert Graph(wrong, Store(tmp_path)).pending == 2


@pytest.mark.parametrize("message", ["", "why"])
def test_a_failure_without_a_message_is_named(message, tmp_path):
    def fail():
        raise MemoryError(message)

    graph = run(Graph([Task("bad", fail, ())], Store(tmp_path)))
    assert graph.failures["bad"] == (message or "MemoryError")


def test_a_process_that_ends_takes_only_its_own_task_with_it(tmp_path):
    started = []

    def pool():
        started.append(ProcessPoolExecutor(1, mp_context=SPAWN))
        return started[-1]

    graph = Graph([Task("ends", end, ()), *tasks()], Store(tmp_path))
    graph.run(pool, 1, lambda: None)
    assert graph.results == {"one": 1, "two": 2, "sum": 13}
    assert f"{ATTEMPTS} times" in graph.failures["ends"]
    assert len(started) == ATTEMPTS
