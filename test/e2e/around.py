"""around.py ADDRESS PORT COUNT SEED IDLE_MS: connects COUNT times, each time about IDLE_MS after the last packet.

The moments are pseudo-random, from a little before the target is found idle until after it has been stopped. Prints
as JSON how many got which answer or error.
"""
import collections
import json
import os
import random
import socket
import sys
import time

address, port, count, seed, idle = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4], int(sys.argv[5])
pick = random.Random(seed)
answers = collections.Counter()
pace = float(os.environ.get("TEST_PACE", "1"))
for _ in range(count):
    time.sleep((idle + pick.uniform(-10, 150) * pace) / 1000)
    try:
        with socket.create_connection((address, port), timeout=10 * pace) as sock:
            sock.sendall(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")
            answer = b""
            while data := sock.recv(4096):
                answer += data
        answers[answer.decode().partition("\r\n\r\n")[2].strip()] += 1
    except OSError as error:
        answers[repr(error)] += 1
print(json.dumps(answers))
