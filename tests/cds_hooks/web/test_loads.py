"""Connections are shared out among the workers."""

from socket import create_connection, create_server, socket

from cds_hooks.web.loads import Loads
from tests.cds_hooks.web.a_worker import a_worker


class AnotherTakesIt(Loads):
    """Lets another worker take the connection in the moment that is left to it."""

    def __init__(self, listener: socket) -> None:
        super().__init__(2)
        self._listener = listener
        self.taken: list[socket] = []

    def is_more_than_another(self, slot: int) -> bool:
        found = super().is_more_than_another(slot)
        if found:
            self.taken.append(self._listener.accept()[0])
        return found


def test_who_holds_more_than_another_knows_it() -> None:
    loads = Loads(4)
    loads.tell(1, 2)
    assert not loads.is_more_than_another(1), "a slot that nobody has counts for nobody"
    loads.tell(2, 0)
    assert loads.is_more_than_another(1)
    assert not loads.is_more_than_another(2)
    loads.tell(1, 0)
    assert not loads.is_more_than_another(1)


def test_nobody_waits_for_a_worker_that_has_ended() -> None:
    loads = Loads(3)
    loads.tell(1, 5)
    loads.tell(2, 1)
    loads.forget(2)
    assert not loads.is_more_than_another(1)


def test_a_worker_leaves_the_next_connection_to_one_that_has_fewer() -> None:
    with a_worker() as (worker, _, _), create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        loads = worker.app.loads = AnotherTakesIt(listener)
        loads.tell(1, 0)
        callers = [create_connection(listener.getsockname()) for _ in range(2)]
        worker.accept(listener)
        assert (worker.nr_conns, len(loads.taken)) == (1, 0)
        worker.accept(listener)
        assert (worker.nr_conns, len(loads.taken)) == (1, 1)
        for each in (*callers, *loads.taken):
            each.close()


def test_a_worker_takes_the_connection_that_nobody_else_took() -> None:
    with a_worker() as (worker, _, _), create_server(("127.0.0.1", 0)) as listener:
        worker.app.loads.tell(1, 0)
        worker.nr_conns = 1
        worker.notify()
        with create_connection(listener.getsockname()):
            worker.accept(listener)
            assert worker.nr_conns == 2
        worker.nr_conns -= 1
