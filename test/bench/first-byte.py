"""first-byte.py: for each line ADDRESS PORT on standard input, connects once, asks for /, and prints how many microseconds passed until the first byte."""
import socket
import sys
import time

for line in sys.stdin:
    address, port = line.split()
    client = socket.socket()
    client.settimeout(15)
    begun = time.perf_counter_ns()
    try:
        client.connect((address, int(port)))
        client.sendall(b"GET / HTTP/1.0\r\n\r\n")
        answered = client.recv(1) != b""
        took = time.perf_counter_ns() - begun
        # closed by a reset, so that no flow is left over
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        client.close()
        print(took // 1000 if answered else "closed", flush=True)
    except OSError as error:
        print(error, flush=True)
