"""Results that are computed once per server: when they are asked for, or ahead of time in a thread."""

import time
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock
from typing import Any

from gradtag_core.errors import GradTagError

Work = Callable[[], Any]
Job = tuple[Hashable, Work]


class Jobs:
    """The newest `limit` results by key; one thread works ahead on what was asked for last.

    A failure meant for the user is kept like a result; after any other, the next caller tries again.
    """

    def __init__(self, limit: int, delay: float = 0.0):
        self._limit, self._delay = limit, delay
        self._found: OrderedDict[Hashable, Future[Any]] = OrderedDict()
        self._ahead: deque[Job] = deque()
        self._lock = Lock()
        self._thread = ThreadPoolExecutor(1, "ahead")
        self._working = False

    def result(self, key: Hashable, work: Work) -> Any:
        """The result of `work`, which runs here unless it has run or is running elsewhere."""
        future, mine = self._claim(key)
        if mine:
            self._carry_out(work, future)
        return future.result()

    def done(self, key: Hashable) -> bool:
        """Whether the work has ended, well or not."""
        with self._lock:
            return key in self._found and self._found[key].done()

    def ready(self, key: Hashable) -> Any | None:
        """The result if it is there; it is never waited for."""
        with self._lock:
            future = self._found.get(key)
        return future.result() if future and future.done() else None

    def ahead(self, jobs: Sequence[Job]) -> None:
        """Compute these in the background, `delay` seconds from now; they replace what has not begun yet."""
        with self._lock:
            self._ahead = deque(jobs)
            begin = bool(self._ahead) and not self._working
            self._working = self._working or begin
        if begin:
            self._thread.submit(self._work_ahead)

    def _work_ahead(self) -> None:
        while True:
            time.sleep(self._delay)
            with self._lock:
                if not self._ahead:
                    self._working = False
                    return
                key, work = self._ahead.popleft()
            future, mine = self._claim(key)
            if mine:
                self._carry_out(work, future)

    def _claim(self, key: Hashable) -> tuple[Future[Any], bool]:
        """The future of a key, and whether the caller must fill it."""
        with self._lock:
            known = self._found.get(key)
            mine = known is None or (known.done() and _is_bug(known.exception()))
            if mine:
                self._found[key] = Future()
                while len(self._found) > self._limit:
                    self._found.popitem(last=False)
            self._found.move_to_end(key)
            return self._found[key], mine

    def _carry_out(self, work: Work, future: Future[Any]) -> None:
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)


def _is_bug(error: BaseException | None) -> bool:
    return error is not None and not isinstance(error, GradTagError)
