"""crowd.py PLAN: the clients of one host, until its input ends. PLAN is JSON; see crowd.ts.

Each door has a client of its own, that thinks and comes again:
  brief      one HTTP request on a connection of its own, or a few at once
  kept       several requests on one connection, thinking in between
  datagrams  a few from one socket, back to back, thinking, and again
Writes a line of JSON for each request or datagram: the door, when its connection was opened (`opened`), when it was sent (`begin`) and
settled (`end`), in milliseconds of the date; what became of it; and how often a segment had to be sent again to connect.
"""
import asyncio
import json
import random
import socket
import sys
import time

plan = json.load(open(sys.argv[1]))
out = open(plan["out"], "a", buffering=1)
ended = asyncio.Event()

TOTAL_RETRANS = 100  # linux/tcp.h, struct tcp_info


def now():
    return time.time() * 1000


def tell(door, opened, begin, result, resent=0, detail=None):
    line = {"door": door["name"], "opened": round(opened), "begin": round(begin), "end": round(now()), "result": result}
    if resent:
        line["resent"] = resent
    if detail:
        line["detail"] = detail
    out.write(json.dumps(line) + "\n")


def named(error):
    if isinstance(error, ConnectionRefusedError):
        return "refused", None
    if isinstance(error, ConnectionError):
        return "reset", type(error).__name__
    if isinstance(error, (asyncio.TimeoutError, TimeoutError)):
        return "timeout", None
    if isinstance(error, EOFError):
        return "eof", None
    return "unreachable", repr(error)


def checked(door, answer):
    return ("ok", None) if answer in door["answers"] else ("wrong", answer)


async def think(door, chance):
    """About as long as it takes for the target to be idle, or far less, or more."""
    seconds = chance.choice(door["thinks"]) * chance.uniform(0.95, 1.05)
    try:
        await asyncio.wait_for(ended.wait(), seconds)
    except asyncio.TimeoutError:
        pass


async def connect(door):
    source = door.get("source")
    local = None if source is None else (source, 0)
    reader, writer = await asyncio.open_connection(door["address"], door["port"], local_addr=local)
    info = writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 192)
    return reader, writer, int.from_bytes(info[TOTAL_RETRANS : TOTAL_RETRANS + 4], sys.byteorder)


async def request(reader, writer, closing):
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n" + (b"Connection: close\r\n" if closing else b"") + b"\r\n")
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
    return (await reader.readexactly(length)).decode().strip()


async def visit(door, requests, chance):
    opened = begin = now()
    writer, resent = None, 0
    try:
        reader, writer, resent = await asyncio.wait_for(connect(door), door["patience"])
        for left in range(requests, 0, -1):
            begin = now() if left < requests else opened
            answer = await asyncio.wait_for(request(reader, writer, left == 1), door["patience"])
            tell(door, opened, begin, *with_resent(checked(door, answer), resent))
            resent = 0
            if left > 1:
                await think(door, chance)
                if ended.is_set():
                    break
    except Exception as error:
        tell(door, opened, begin, *with_resent(named(error), resent))
    if writer is not None:
        writer.close()


def with_resent(result, resent):
    return result[0], resent, result[1]


class Datagrams(asyncio.DatagramProtocol):
    def __init__(self, door):
        self.door = door
        self.waiting = {}
        self.error = None

    def datagram_received(self, data, _address):
        answer, _, payload = data.decode().rpartition(" ")
        waiting = self.waiting.get(payload)
        if waiting is not None and waiting.cancelled():
            # told of as a timeout
            return
        if waiting is None or waiting.done():
            tell(self.door, now(), now(), "twice", 0, data.decode())
        else:
            waiting.set_result(answer)

    def error_received(self, error):
        for waiting in self.waiting.values():
            if not waiting.done():
                waiting.set_exception(error)


async def datagram(door, protocol, transport, opened, payload):
    begin = now()
    waiting = protocol.waiting[payload] = asyncio.get_running_loop().create_future()
    transport.sendto(payload.encode())
    try:
        answer = await asyncio.wait_for(waiting, door["patience"])
        tell(door, opened, begin, *with_resent(checked(door, answer), 0))
    except Exception as error:
        tell(door, opened, begin, *with_resent(named(error), 0))


async def talk(door, rounds, chance):
    opened = now()
    family = socket.AF_INET6 if ":" in door["address"] else socket.AF_INET
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_datagram_endpoint(
        lambda: Datagrams(door), remote_addr=(door["address"], door["port"]), family=family
    )
    for number in range(rounds):
        payloads = [f"{number}.{each}" for each in range(chance.choice([1, 1, 3]))]
        await asyncio.gather(*(datagram(door, protocol, transport, opened, each) for each in payloads))
        if number + 1 < rounds:
            await think(door, chance)
            if ended.is_set():
                break
    transport.close()


async def client(door, chance):
    await asyncio.sleep(chance.uniform(0, 1))
    while not ended.is_set():
        if door["style"] == "brief":
            await asyncio.gather(*(visit(door, 1, chance) for _ in range(chance.choice([1, 1, 1, 4]))))
        elif door["style"] == "kept":
            await visit(door, chance.randint(2, 6), chance)
        else:
            await talk(door, chance.randint(1, 5), chance)
        await think(door, chance)


async def main():
    clients = [
        asyncio.create_task(client(door, random.Random(f"{plan['seed']} {door['name']} {door['style']}"))) for door in plan["doors"]
    ]
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    ended.set()
    await asyncio.gather(*clients)
    print("ended", flush=True)


asyncio.run(main())
