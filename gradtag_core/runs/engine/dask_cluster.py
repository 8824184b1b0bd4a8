"""An existing Dask cluster: its scheduler hands the units to its workers, and again where a worker is lost."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import CancelledError
from contextlib import closing, suppress
from queue import Empty, SimpleQueue
from socket import create_connection
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from gradtag_core.errors import GradTagError, InvalidInput, StoreError
from gradtag_core.progress import Reporter
from gradtag_core.runs.engine.elsewhere import compute_elsewhere
from gradtag_core.runs.engine.engine import ADDRESS, Elsewhere, EngineSettings, Finished, Tell
from gradtag_core.runs.engine.work import UnitDone, UnitOrder

if TYPE_CHECKING:
    from distributed import Client, Future

FIRST_SECONDS = 5.0  # for the scheduler to answer when a run begins
LOST_SECONDS = 300.0  # for a scheduler that was there to come back
POLL_SECONDS = 0.1
LOOK_SECONDS = 2.0  # between two looks at who is there while nothing comes back
RETRIES = 1  # of a unit that failed with an error that is not ours: a network's storage has bad moments


class ConnectionLost(Exception):
    """The scheduler is gone, and with it what was handed out and has not come back."""


class DaskCluster(Elsewhere):
    """The workers of the scheduler at an address.

    Dask runs a unit again on another worker where one is lost. Where the scheduler is lost, the units that have not
    come back are handed out again once there is a scheduler at the address.
    """

    def __init__(self, address: str):
        """Raises `InvalidInput` where Dask is not installed here, or nobody answers."""
        super().__init__()
        self._address = address
        self._client: Client | None = self._connected()

    @property
    def where(self) -> str:
        workers, where = len(self._workers()), EngineSettings(scheduler=self._address).where
        return f"{where} ({workers} worker{'' if workers == 1 else 's'})"

    def _done(self, orders: Sequence[UnitOrder], reporter: Reporter, tell: Tell) -> Finished:
        left = {order.work.unit.key: order for order in orders}
        while left:
            try:
                with closing(self._handed_out(list(left.values()), reporter, tell)) as finished:
                    for order, done in finished:
                        del left[order.work.unit.key]
                        yield order, done
            except ConnectionLost:
                self._wait_for_scheduler(reporter, tell)

    def _handed_out(self, orders: Sequence[UnitOrder], reporter: Reporter, tell: Tell) -> Finished:
        """Each order as it comes back, until all have or the scheduler is lost."""
        client = self._client
        if client is None:
            raise ConnectionLost
        on_gpu = orders[0].job.device.startswith("cuda")
        once = uuid4().hex[:8]  # Dask would give an order with the name of an earlier one that one's result
        back: SimpleQueue[Future] = SimpleQueue()
        futures = client.map(
            compute_elsewhere, orders, pure=False, retries=RETRIES, resources={"GPU": 1} if on_gpu else None,
            key=[f"{order.work.kind}-{order.work.unit.key}-{once}" for order in orders],
        )  # fmt: skip
        by_key = {future.key: order for future, order in zip(futures, orders, strict=True)}
        for future in futures:
            future.add_done_callback(back.put)
        watch = _Watch(self, on_gpu, tell)
        try:
            while by_key:
                reporter.check()
                try:
                    future = back.get(timeout=POLL_SECONDS)
                except Empty:
                    if client.status != "running":
                        raise ConnectionLost from None
                    watch.look()
                    continue
                done = _result(future)
                watch.came_back()
                yield by_key.pop(future.key), done
        finally:
            for (
                future
            ) in futures:  # the scheduler takes back what nobody holds any more; nothing is waited for
                future.release()

    def _wait_for_scheduler(self, reporter: Reporter, tell: Tell) -> None:
        """Connect again, for which the scheduler has some minutes."""
        self._disconnect()
        tell(f"waiting for the scheduler at {self._address}")
        deadline = time.monotonic() + LOST_SECONDS
        while time.monotonic() < deadline:
            reporter.check()
            if _answers(self._address):
                with suppress(InvalidInput):
                    self._client = self._connected()
                    tell("")
                    return
            time.sleep(POLL_SECONDS)
        raise StoreError(
            f"The scheduler at {self._address} was lost and did not come back within {LOST_SECONDS:.0f} s. Start it "
            "again, then resume; everything finished is kept."
        )

    def _connected(self) -> Client:
        try:
            from distributed import Client
        except ImportError as error:
            raise InvalidInput(
                "`scheduler` needs Dask, which is not installed here. Install it with: pip install 'dask[distributed]' "
                "(the extra `cluster` of this package), or leave `scheduler` out."
            ) from error
        try:
            return Client(self._address, timeout=FIRST_SECONDS, set_as_default=False, name="gradtag")
        except (OSError, TimeoutError, ValueError, RuntimeError) as error:
            raise InvalidInput(
                f"`scheduler` must be the address of a Dask scheduler that is at work; nobody answered at "
                f"{self._address} within {FIRST_SECONDS:.0f} s. Start one with `dask scheduler`, or correct the "
                "address."
            ) from error

    def _workers(self) -> dict:
        """What the scheduler says of each worker; nothing while it does not answer."""
        if self._client is None or self._client.status != "running":
            return {}
        with suppress(OSError, TimeoutError):
            return self._client.scheduler_info()["workers"]
        return {}

    def _disconnect(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            with suppress(OSError, TimeoutError):
                client.close(timeout=1)

    def close(self) -> None:
        self._disconnect()
        super().close()


def worker_count(address: str) -> int | None:
    """How many workers the scheduler at an address has; None where nobody answers."""
    if not _answers(address):
        return None
    cluster = DaskCluster(address)
    try:
        return len(cluster._workers())
    finally:
        cluster.close()


def _answers(address: str) -> bool:
    """Whether something listens at the address: a client would take longer to find that out."""
    found = ADDRESS.fullmatch(address)
    if found is not None:
        with suppress(OSError), create_connection((found[2].strip("[]"), int(found[3])), 0.5):
            return True
    return False


class _Watch:
    """Tells that no worker is there, where that is why nothing comes back."""

    def __init__(self, cluster: DaskCluster, on_gpu: bool, tell: Tell):
        self._cluster, self._on_gpu, self._tell = cluster, on_gpu, tell
        self._next = time.monotonic() + LOOK_SECONDS
        self._told = False

    def came_back(self) -> None:
        self._next = time.monotonic() + LOOK_SECONDS

    def look(self) -> None:
        if time.monotonic() < self._next:
            return
        self.came_back()
        workers = self._cluster._workers().values()
        able = [one for one in workers if not self._on_gpu or "GPU" in one.get("resources", {})]
        if not able:
            self._tell("waiting for a worker" + (" with a GPU" if self._on_gpu and workers else ""))
        elif self._told:
            self._tell("")
        self._told = not able


def _result(future: Future) -> UnitDone:
    """What came back; raises `ConnectionLost` where it is lost, and what the worker raised."""
    try:
        if future.status == "finished":
            return future.result(timeout=FIRST_SECONDS)
        if future.status != "error":
            raise ConnectionLost
        error: Any = future.exception(timeout=FIRST_SECONDS)
    except (OSError, TimeoutError, CancelledError) as lost:
        raise ConnectionLost from lost
    raise _in_words(str(future.key), error) from error


def _in_words(key: str, error: BaseException) -> BaseException:
    kind = key.rpartition("-")[0].rpartition("-")[0]
    if type(error).__name__ == "KilledWorker":
        return GradTagError(
            f"A unit of `{kind}` ended the workers that made it: {error} Probably it needs more memory than they have. "
            "Give them more or choose smaller settings, then resume; everything finished is kept."
        )
    if isinstance(error, ImportError):
        return InvalidInput(
            f"The workers must have this package and what it needs installed; one of them found: {error}. Install it "
            "there, in the same version."
        )
    return error
