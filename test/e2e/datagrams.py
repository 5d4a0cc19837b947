"""datagrams.py ADDRESS PORT COUNT: sends COUNT datagrams back to back over one socket, then prints what comes back.

Each answer is a line; the end is a second of silence, or the error that the socket reports.
"""
import os
import socket
import sys

address, port, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
sock.connect((address, port))
for number in range(count):
    sock.send(b"datagram %d" % number)
sock.settimeout(10 * float(os.environ.get("TEST_PACE", "1")))
try:
    while True:
        print(sock.recv(65535).decode(), flush=True)
        sock.settimeout(1)
except TimeoutError:
    pass
except ConnectionError as error:
    print(type(error).__name__)
