"""an asyncio server with clients, over the loopback interface"""

from __future__ import annotations

import asyncio
import json

SIZE, TINY = 200, 4       # requests of each of CLIENTS clients
CLIENTS = 20
SECONDS = 60              # more than that, and something hangs


class Shop:
    """The server's state, and a method a command."""

    def __init__(self):
        self.stock = {}
        self.lock = asyncio.Lock()

    async def put(self, name, count):
        async with self.lock:
            self.stock[name] = self.stock.get(name, 0) + count
            return {"left": self.stock[name]}

    async def take(self, name, count):
        async with self.lock:
            if self.stock.get(name, 0) < count:
                raise LookupError(name)
            self.stock[name] -= count
            return {"left": self.stock[name]}

    async def echo(self, **given):
        await asyncio.sleep(0)
        return given


async def serve(shop, reader, writer):
    while line := await reader.readline():
        request = json.loads(line)
        try:
            answer = await getattr(shop, request.pop("do"))(**request)
        except LookupError as error:
            answer = {"error": str(error)}
        writer.write(json.dumps(answer).encode() + b"\n")
        await writer.drain()
    writer.close()


async def ask(reader, writer, **request):
    writer.write(json.dumps(request).encode() + b"\n")
    await writer.drain()
    return json.loads(await reader.readline())


async def client(port, number, count):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    answers = []
    for turn in range(count):
        name = f"item{number}-{turn % 7}"
        await ask(reader, writer, do="put", name=name, count=turn)
        answers.append(await ask(reader, writer, do="take", name=name, count=turn // 2 + turn % 3 * 40))
        answers.append(await ask(reader, writer, do="echo", number=number, turn=turn, text="x" * (turn % 50)))
    writer.close()
    await writer.wait_closed()
    return answers


async def run(count):
    shop = Shop()
    server = await asyncio.start_server(lambda *streams: serve(shop, *streams), "127.0.0.1", 0)
    async with asyncio.timeout(SECONDS), server:
        port = server.sockets[0].getsockname()[1]
        answers = await asyncio.gather(*(client(port, number, count) for number in range(CLIENTS)))
    return json.dumps([answers, sorted(shop.stock.items())])


def main(folder: str, size: int) -> str:
    return asyncio.run(run(size))
