"""steady.py WORKERS ADDRESS PORT...: HTTP requests without a pause, each on a connection of its own, until its input ends.

Each worker asks one port after another. Prints a line when the first answer has come; at the end, as JSON, how often each answer or
error came, and the longest time that one took in seconds.
"""
import asyncio
import collections
import json
import os
import re
import sys
import time

workers, address, ports = int(sys.argv[1]), sys.argv[2], [int(port) for port in sys.argv[3:]]
limit = 20 * float(os.environ.get("TEST_PACE", "1"))
outcomes = collections.Counter()
slowest = 0.0
ended = asyncio.Event()


async def ask(port):
    reader, writer = await asyncio.open_connection(address, port)
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    answer = await reader.read()
    writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    length = re.search(rb"^content-length: *(\d+)", head, re.IGNORECASE | re.MULTILINE)
    # the service may end between the head and the body, which it writes one after the other
    is_whole = head.startswith(b"HTTP/1.1 200") and (length is None or len(body) == int(length[1]))
    return body.decode().strip() if is_whole else "cut short"


async def work(first):
    global slowest
    turn = first
    while not ended.is_set():
        begun = time.monotonic()
        try:
            outcome = await asyncio.wait_for(ask(ports[turn % len(ports)]), limit)
        except Exception as error:
            outcome = type(error).__name__
        if not outcomes:
            print("begun", flush=True)
        outcomes[outcome] += 1
        slowest = max(slowest, time.monotonic() - begun)
        turn += 1


async def main():
    tasks = [asyncio.create_task(work(number)) for number in range(workers)]
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    ended.set()
    await asyncio.gather(*tasks)
    print(json.dumps({"outcomes": outcomes, "slowest": round(slowest, 3)}), flush=True)


asyncio.run(main())
