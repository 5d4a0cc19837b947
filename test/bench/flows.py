"""flows.py ADDRESS: flows as standard input says, one JSON list of [port, at, seconds, end], all at the same time.

Each connects `at` seconds after the start, asks for / and, until `seconds` have passed, now and then again. end: "close", or
"stay" for one that goes silent but stays open. Prints for each, as a JSON list, when its last packet was, in ms of the wall clock.
"""
import json
import socket
import sys
import threading
import time

address = sys.argv[1]
plan = json.loads(sys.stdin.readline())
began = time.monotonic()
ends = [None] * len(plan)
stays = []


def run(index, port, at, seconds, end):
    time.sleep(max(0, began + at - time.monotonic()))
    sock = socket.create_connection((address, port), timeout=20)
    until = time.monotonic() + seconds
    while True:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        sock.recv(4096)
        left = until - time.monotonic()
        if left <= 0:
            break
        time.sleep(min(left, 0.31))
    if end == "stay":
        # the acknowledgement of the answer, which may be delayed, is the last packet
        time.sleep(0.05)
        ends[index] = time.time() * 1000 - 50
        stays.append(sock)
        return
    sock.shutdown(socket.SHUT_WR)
    while sock.recv(4096):
        pass
    sock.close()
    ends[index] = time.time() * 1000


threads = [threading.Thread(target=run, args=(index, *each)) for index, each in enumerate(plan)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(json.dumps(ends), flush=True)
# silent flows stay open until there is nobody left who wants to know
sys.stdin.readline()
