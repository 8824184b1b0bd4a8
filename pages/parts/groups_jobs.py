"""Results that are computed once per server: when they are asked for, or ahead of time in a thread."""

import time
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event, Lock
from typing import Any

from gradtag_core.errors import Cancelled, GradTagError

Work = Callable[[], Any]
Job = tuple[Hashable, Work]


class Jobs:
    """The newest `limit` results by key; one thread works ahead on what each owner asked for last.

    A failure meant for the user is kept like a result; after any other, the next caller tries again.
    """

    def __init__(self, limit: int, delay: float = 0.0):
        self._limit, self._delay = limit, delay
        self._found: OrderedDict[Hashable, Future[Any]] = OrderedDict()
        self._ahead: deque[tuple[Hashable, Job]] = deque()
        self._cancels: dict[Hashable, tuple[Hashable, Event]] = {}
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

    def expected(self, key: Hashable) -> bool:
        """Whether the work has begun or will."""
        with self._lock:
            return self._expected(key)

    def _expected(self, key: Hashable) -> bool:
        return key in self._found or any(job[0] == key for _, job in self._ahead)

    def ready(self, key: Hashable) -> Any | None:
        """The result if it is there; it is never waited for."""
        with self._lock:
            future = self._found.get(key)
        return future.result() if future and future.done() else None

    def ahead(self, jobs: Sequence[Job], owner: Hashable = None) -> None:
        """Compute these in the background, `delay` seconds from now; they replace what the owner asked for before and
        has not begun yet."""
        with self._lock:
            self._ahead = deque(
                [*(each for each in self._ahead if each[0] != owner), *((owner, job) for job in jobs)]
            )
            begin = bool(self._ahead) and not self._working
            self._working = self._working or begin
        if begin:
            self._thread.submit(self._work_ahead)

    def only_ahead(self, key: Hashable, work: Callable[[Event], Any], owner: Hashable) -> None:
        """Compute this one in the background; what the owner asked for before is given up also where it has begun, by
        the event that the work is given."""
        with self._lock:
            known, cancel = self._cancels.get(owner, (None, Event()))
            if known == key and self._expected(key):
                return
            cancel.set()
            event = Event()
            self._cancels[owner] = key, event
        self.ahead([(key, lambda: work(event))], owner)

    def _work_ahead(self) -> None:
        while True:
            time.sleep(self._delay)
            with self._lock:
                if not self._ahead:
                    self._working = False
                    return
                _, (key, work) = self._ahead.popleft()
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
            if isinstance(error, Cancelled):
                self._forget(future)
            future.set_exception(error)

    def _forget(self, future: Future[Any]) -> None:
        with self._lock:
            self._found = OrderedDict((key, each) for key, each in self._found.items() if each is not future)


def _is_bug(error: BaseException | None) -> bool:
    return error is not None and not isinstance(error, GradTagError)
