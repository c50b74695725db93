"""One caller, or many at once; requests are written before the clock runs: little but the server is timed."""

import multiprocessing
import socket
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier

from tools.bench_servers import Servers

_HEAD_END = b"\r\n\r\n"
_PIECE = 65_536


class Caller:
    """One kept connection that posts one body again and again, each time with a token of its own."""

    def __init__(self, servers: Servers, port: int, path: str, body: bytes, *, count: int, signs: bool = True) -> None:
        """Write so many requests; unsigned ones are all alike."""
        tokens = servers.tokens(port, path, count) if signs else [""] * count
        self._requests = iter([_request(port, path, body, token) for token in tokens])
        self._port = port
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def call(self) -> float:
        """Post once, insist on 200, and give the seconds it took."""
        head, body = next(self._requests)
        started = time.perf_counter()
        self._socket.sendall(head)
        self._socket.sendall(body)
        answer = self._read()
        took = time.perf_counter() - started
        if not answer.startswith(b"HTTP/1.1 200"):
            message = f"port {self._port} answered {answer[:400]!r}"
            raise RuntimeError(message)
        return took

    def _read(self) -> bytes:
        received = b""
        while _HEAD_END not in received:
            received += self._piece()
        head, _, body = received.partition(_HEAD_END)
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
        while len(body) < length:
            body += self._piece()
        return head + _HEAD_END + body

    def _piece(self) -> bytes:
        piece = self._socket.recv(_PIECE)
        if not piece:
            raise RuntimeError("the server closed the connection")
        return piece


def together(callers: Sequence[Caller], calls: int) -> tuple[float, list[float]]:
    """Let each caller, in a process of its own, call so many times; give calls a second, and what each call took."""
    context = multiprocessing.get_context("fork")
    start = context.Barrier(len(callers) + 1)
    pipes = [context.Pipe(duplex=False) for _ in callers]
    processes = [
        context.Process(target=_call_on, args=(caller, calls, start, sender))
        for caller, (_, sender) in zip(callers, pipes, strict=True)
    ]
    for process in processes:
        process.start()
    start.wait()
    started = time.perf_counter()
    times = [seconds for receiver, _ in pipes for seconds in receiver.recv()]
    elapsed = time.perf_counter() - started
    for process in processes:
        process.join()
    return len(times) / elapsed, times


def _call_on(caller: Caller, calls: int, start: Barrier, sender: "Connection[list[float], None]") -> None:
    start.wait()
    sender.send([caller.call() for _ in range(calls)])


def _request(port: int, path: str, body: bytes, token: str) -> tuple[bytes, bytes]:
    authorization = f"Authorization: Bearer {token}\r\n" if token else ""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
        f"{authorization}Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode("ascii"), body
