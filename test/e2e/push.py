"""push.py serve ADDRESS PORT: sends a numbered line to each connection ten times a second, and reads nothing.
push.py listen ADDRESS PORT: prints each line that comes, and sends something every second."""

import socket
import sys
import threading
import time

role, address, port = sys.argv[1:4]


def push(connection):
    try:
        for number in range(10_000):
            connection.sendall(b"%d\n" % number)
            time.sleep(0.1)
    except OSError:
        pass


if role == "serve":
    listener = socket.create_server((address, int(port)))
    while True:
        threading.Thread(target=push, args=listener.accept()[:1], daemon=True).start()
else:
    connection = socket.create_connection((address, int(port)), timeout=20)
    connection.settimeout(None)

    def speak():
        while True:
            time.sleep(1)
            connection.sendall(b"\n")

    threading.Thread(target=speak, daemon=True).start()
    for line in connection.makefile():
        print(line.strip(), flush=True)
