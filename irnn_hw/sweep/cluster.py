"""A Dask cluster as the executor of a sweep."""

from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any

from golden.errors import InputError

SECONDS = 10  # to reach the scheduler
RETRIES = 3  # of a step whose worker was lost


class ClusterExecutor(Executor):
    """Runs steps on the workers of a scheduler; what was on a worker that ends runs on another.

    Results come back to this process, which alone writes: workers share no folder.
    Raises InputError where Dask is not installed, nothing answers, or there is no worker.
    """

    def __init__(self, address: str):
        try:
            from distributed import Client
        except ImportError as error:
            raise InputError(
                "scheduler: Dask is not installed; pip install 'irnn-hw[cluster]'"
            ) from error
        try:
            self._client = Client(address, timeout=SECONDS)
        except (OSError, ValueError) as error:
            raise InputError(
                f"scheduler: nothing answers at {address}; start `dask scheduler`, give HOST:PORT"
            ) from error
        if not self._client.scheduler_info()["workers"]:
            self._client.close()
            raise InputError(
                f"scheduler: {address} has no workers; start `dask worker {address} --nthreads 1`"
            )
        self._pool = self._client.get_executor(pure=False, retries=RETRIES)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = self._pool.submit(fn, *args, **kwargs)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self._pool.shutdown(wait=wait and not cancel_futures)
        self._client.close()
