"""Tasks that need each other's results, on any executor; what a store holds is not run again."""

from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from dataclasses import dataclass
from typing import Any

from irnn_hw.sweep.store import Store

ATTEMPTS = 3  # of a task whose process ended, or that of one beside it


@dataclass(frozen=True, slots=True)
class Task:
    """result = call(*results of needs, *arguments), JSON-able. key: of its content.

    final: nothing needs it.
    """

    key: str
    call: Callable[..., Any]
    arguments: tuple[Any, ...]
    needs: tuple[str, ...] = ()
    final: bool = False


class Graph:
    """Runs tasks. results: by key. failures: by key, the message. computed: how many ran now.

    A task that raises is a failure, as is what needs it; the others go on.
    """

    def __init__(self, tasks: Iterable[Task], store: Store):
        self.results: dict[str, Any] = {}
        self.failures: dict[str, str] = {}
        self.computed = 0
        self._store = store
        self._waiting: dict[str, Task] = {}
        self._running: dict[Future[Any], Task] = {}
        self._attempts: Counter[str] = Counter()
        for task in tasks:
            found = store.get(task.key)
            if found is None:
                self._waiting[task.key] = task
            else:
                self.results[task.key] = found

    @property
    def pending(self) -> int:
        """Tasks that are still to run."""
        return len(self._waiting)

    def run(
        self, executor: Callable[[], Executor], at_once: int, progress: Callable[[], None]
    ) -> None:
        """Until every task has a result or a failure. at_once: most tasks under way.

        executor: makes one; the next where a process of it ended. What ran there runs again.
        """
        while self._waiting:
            pool = executor()
            try:
                self._run(pool, at_once, progress)
            except BrokenExecutor:
                self._again()
            finally:
                # Whoever interrupts does not wait for what is under way.
                pool.shutdown(wait=not self._running, cancel_futures=True)

    def _run(self, pool: Executor, at_once: int, progress: Callable[[], None]) -> None:
        while self._waiting or self._running:
            for task in self._ready()[: at_once - len(self._running)]:
                values = (*(self.results[n] for n in task.needs), *task.arguments)
                self._running[pool.submit(task.call, *values)] = task
                del self._waiting[task.key]
            progress()
            if self._running:
                for future in wait(self._running, return_when=FIRST_COMPLETED).done:
                    self._settle(self._running[future].key, future)
                    del self._running[future]

    def _settle(self, key: str, future: Future[Any]) -> None:
        """The result goes to disk before anything else happens."""
        try:
            result = future.result()
        except BrokenExecutor:
            raise
        except Exception as error:
            self.failures[key] = str(error) or type(error).__name__
            return
        self._store.put(key, result)
        self.results[key] = result
        self.computed += 1

    def _again(self) -> None:
        """Whatever was under way waits once more, unless it was there too often."""
        for task in self._running.values():
            self._attempts[task.key] += 1
            if self._attempts[task.key] < ATTEMPTS:
                self._waiting[task.key] = task
            else:
                self.failures[task.key] = f"its process ended, {ATTEMPTS} times; is there memory?"
        self._running.clear()

    def _ready(self) -> list[Task]:
        """Tasks whose needs are there, final ones first: points get done as early as they can."""
        ready = []
        for task in list(self._waiting.values()):
            failed = next((n for n in task.needs if n in self.failures), None)
            if failed is not None:
                self.failures[task.key] = self.failures[failed]
                del self._waiting[task.key]
            elif all(n in self.results for n in task.needs):
                ready.append(task)
        return sorted(ready, key=lambda task: (not task.final, -len(task.needs)))
