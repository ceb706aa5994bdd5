"""`python -m benchmarks.api`: what the client of API models adds to a server's own time, beside two bare clients.

A server in a process of its own answers every request after a fixed time, whole or as a stream of ten tokens. The same
requests go to it, with the same number in flight, through the harness (`ours`), through the HTTP library below the
official client (`httpx`), and over sockets that do nothing but send and read (`sockets`: as good as the server's own
time). Rounds are interleaved, so that a busy machine is busy for all three.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import time
from contextlib import contextmanager
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any

from harness.models.api.spec import ApiSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from multiprocessing.connection import Connection

HEAD = {"id": "1", "object": "chat.completion", "created": 0, "model": "fixed", "system_fingerprint": "fp_1"}
USAGE = {"prompt_tokens": 60, "completion_tokens": 10, "total_tokens": 70}
WORDS = " answer" * 10
NAMES = ("sockets", "httpx", "ours")


def serve(connection: Connection, seconds: float) -> None:
    """Listens on loopback, tells the port, and answers until the process is ended."""
    asyncio.run(_serve(connection, seconds))


async def _serve(connection: Connection, seconds: float) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                size = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
                body = json.loads(await reader.readexactly(size))
                await _replied(writer, seconds, stream=bool(body.get("stream")))
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, backlog=256)
    connection.send(server.sockets[0].getsockname()[1])
    async with server:
        await server.serve_forever()


async def _replied(writer: asyncio.StreamWriter, seconds: float, *, stream: bool) -> None:
    if not stream:
        await asyncio.sleep(seconds)
        message = {"role": "assistant", "content": WORDS}
        choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
        data = json.dumps({**HEAD, "choices": choices, "usage": USAGE}).encode()
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(data)
        writer.write(head + data)
        return
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
    for number in range(10):
        await asyncio.sleep(seconds / 10)
        finish = "stop" if number == 9 else None  # noqa: PLR2004 - the last of ten
        choice = {"index": 0, "delta": {"content": " answer"}, "finish_reason": finish}
        last = {"usage": USAGE} if finish else {}
        _chunk(writer, json.dumps({**HEAD, "choices": [choice], **last}))
    _chunk(writer, "[DONE]")
    writer.write(b"0\r\n\r\n")


def _chunk(writer: asyncio.StreamWriter, data: str) -> None:
    line = f"data: {data}\n\n".encode()
    writer.write(b"%x\r\n%b\r\n" % (len(line), line))


@contextmanager
def serving(seconds: float) -> Iterator[int]:
    """The port of a server that answers after `seconds`."""
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=serve, args=(theirs, seconds), daemon=True)
    process.start()
    try:
        yield ours.recv()
    finally:
        process.terminate()
        process.join()


def over_sockets(port: int, bodies: list[bytes], concurrency: int) -> None:
    """Sends every body and reads its reply to the end, without looking at it."""

    async def work(queue: Iterator[bytes]) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for body in queue:
            writer.write(b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body))
            writer.write(body)
            head = await reader.readuntil(b"\r\n\r\n")
            if b"chunked" in head:
                await reader.readuntil(b"0\r\n\r\n")
            else:
                await reader.readexactly(int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0]))
        writer.close()

    async def run() -> None:
        queue = iter(bodies)
        await asyncio.gather(*(work(queue) for _ in range(concurrency)))

    asyncio.run(run())


def over_httpx(port: int, bodies: list[bytes], concurrency: int) -> None:
    """Sends every body through the HTTP library of the official client, and parses what comes."""
    import openai

    async def work(client: Any, queue: Iterator[bytes]) -> None:
        for body in queue:
            async with client.stream("POST", f"http://127.0.0.1:{port}/v1/chat/completions", content=body) as reply:
                lines = [line async for line in reply.aiter_lines()]
            for line in lines:
                if line and not line.endswith("[DONE]"):
                    json.loads(line.removeprefix("data: "))

    async def run() -> None:
        queue = iter(bodies)
        async with openai.DefaultAsyncHttpxClient(verify=False) as client:
            await asyncio.gather(*(work(client, queue) for _ in range(concurrency)))

    asyncio.run(run())


def clients(
    port: int, *, requests: int, concurrency: int, stream: bool
) -> dict[str, tuple[Callable[[int], None], list[bytes]]]:
    """What sends the requests of a round, by name, and the bodies that the bare ones send."""
    from harness.models.api import payload
    from harness.models.api.subject import connect

    fields: dict[str, Any] = {"name": "fixed", "model": "fixed", "key": "", "base_url": f"http://127.0.0.1:{port}/v1"}
    spec = ApiSpec(**fields, rules={"stream": stream}, pacing={"concurrency": concurrency})
    lm = connect(spec, spec.elsewhere, _silent).lm

    def prompts(turn: int) -> list[tuple[str, dict[str, Any]]]:
        return [(f"Round {turn}, question {n}: {'what is it? ' * 20}", {"max_gen_toks": 10}) for n in range(requests)]

    def ours(turn: int) -> None:
        lm.configure(None)
        if len(lm.generate(prompts(turn), _silent)) != requests:
            raise AssertionError

    from harness.generation.options import parse

    bodies = [json.dumps(payload.generation(spec, text, parse(given))).encode() for text, given in prompts(0)]
    bare = {"sockets": over_sockets, "httpx": over_httpx}
    found: dict[str, Any] = {
        name: ((lambda _, send=send: send(port, bodies, concurrency)), bodies) for name, send in bare.items()
    }
    return {**found, "ours": (ours, [])}


def _silent(*_: object) -> None:
    """No progress."""


def measure(asked: argparse.Namespace, *, stream: bool) -> dict[str, list[tuple[float, float]]]:
    """Seconds of every round of every client, and of this process's time on the processor."""
    with serving(asked.milliseconds / 1000) as port:
        found = clients(port, requests=asked.requests, concurrency=asked.concurrency, stream=stream)
        taken: dict[str, list[tuple[float, float]]] = {name: [] for name in NAMES}
        for turn in range(asked.rounds + 1):
            for name in NAMES if turn % 2 else reversed(NAMES):
                began, busy = time.perf_counter(), time.process_time()
                found[name][0](turn)
                if turn:  # the first round warms up
                    taken[name].append((time.perf_counter() - began, time.process_time() - busy))
    return taken


def told(taken: dict[str, list[tuple[float, float]]], *, requests: int, least: float) -> str:
    """A line for each client: seconds of a round, what it adds to the sockets' and to the least time, its work."""
    lines = []
    for name in NAMES:
        ratios = [one / other for (one, _), (other, _) in zip(taken[name], taken["sockets"], strict=True)]
        middle, busy = (statistics.median(part) for part in zip(*taken[name], strict=True))
        lines.append(
            f"{name:>9}: {middle:.3f} s a round, {100 * (statistics.median(ratios) - 1):+.1f} % to sockets "
            f"({100 * (min(ratios) - 1):+.1f} to {100 * (max(ratios) - 1):+.1f}), "
            f"{100 * (middle / least - 1):+.1f} % to the least possible {least:.3f} s; "
            f"{1000 * busy / requests:.2f} ms of processor a request"
        )
    return "\n".join(lines)


def main() -> int:
    """Prints three lines for whole replies and three for streamed ones."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.api", description="The overhead of the API client.")
    parser.add_argument("--requests", type=int, default=480, help="requests of a round (480)")
    parser.add_argument("--concurrency", type=int, default=16, help="requests in flight (16)")
    parser.add_argument("--milliseconds", type=float, default=100.0, help="the server takes for an answer (100)")
    parser.add_argument("--rounds", type=int, default=7, help="rounds of each client (7)")
    asked = parser.parse_args()
    if min(asked.requests, asked.concurrency, asked.milliseconds, asked.rounds) < 1:
        parser.error("every number must be at least 1")
    least = -(-asked.requests // asked.concurrency) * asked.milliseconds / 1000
    for stream in (False, True):
        sys.stdout.write(
            f"{'streamed' if stream else 'whole'} replies, {asked.requests} requests, {asked.concurrency} in flight, "
            f"{asked.milliseconds:g} ms each, {asked.rounds} rounds\n"
        )
        sys.stdout.write(f"{told(measure(asked, stream=stream), requests=asked.requests, least=least)}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
