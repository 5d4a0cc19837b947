"""connect.py ADDRESS PORT: for each line on standard input, connects once and prints how many microseconds that took."""
import socket
import sys
import time

for _ in sys.stdin:
    client = socket.socket()
    begun = time.perf_counter_ns()
    client.connect((sys.argv[1], int(sys.argv[2])))
    took = time.perf_counter_ns() - begun
    # closed by a reset, so that no flow is left over
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    client.close()
    print(took // 1000, flush=True)
