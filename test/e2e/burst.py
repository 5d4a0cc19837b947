"""burst.py COUNT ADDRESS PORT [LAST_PORT]: COUNT HTTP clients at once, spread over the ports PORT to LAST_PORT.

Prints as JSON how many got which answer or error, and how long the slowest took.
"""
import asyncio
import collections
import json
import os
import sys
import time

count, address, first = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
last = int(sys.argv[4]) if len(sys.argv) > 4 else first


async def client(port):
    try:
        reader, writer = await asyncio.open_connection(address, port)
        writer.write(b"GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
        answer = await reader.read()
        writer.close()
        return answer.decode().split("\r\n\r\n", 1)[1].strip()
    except Exception as error:
        return repr(error)


async def main():
    begun = time.monotonic()
    tasks = (client(first + index % (last - first + 1)) for index in range(count))
    answers = await asyncio.wait_for(asyncio.gather(*tasks), 25 * float(os.environ.get("TEST_PACE", "1")))
    print(json.dumps({"answers": collections.Counter(answers), "seconds": time.monotonic() - begun}))


asyncio.run(main())
