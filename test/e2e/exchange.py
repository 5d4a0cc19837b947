"""exchange.py serve|send tcp|udp ADDRESS PORT BYTES [COUNT]: programs that send a known number of bytes.

serve tcp: reads each connection to its end, then answers BYTES bytes. serve udp: answers each datagram with BYTES bytes.
send tcp: COUNT connections, one after another, BYTES bytes on each. send udp: COUNT datagrams of BYTES bytes, each once the one
before is answered. Prints how many bytes came back.
"""
import os
import socket
import sys

role, protocol, address, port, size = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5])
family = socket.AF_INET6 if ":" in address else socket.AF_INET
kind = socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM
limit = 10 * float(os.environ.get("TEST_PACE", "1"))


def rest(conn):
    total = 0
    while data := conn.recv(65536):
        total += len(data)
    return total


def serve():
    sock = socket.socket(family, kind)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((address, port))
    if protocol == "udp":
        while True:
            _, client = sock.recvfrom(65535)
            sock.sendto(b"x" * size, client)
    sock.listen(64)
    while True:
        conn, _ = sock.accept()
        rest(conn)
        conn.sendall(b"x" * size)
        conn.close()


def send(count):
    total = 0
    if protocol == "udp":
        sock = socket.socket(family, kind)
        sock.settimeout(limit)
        sock.connect((address, port))
        for _ in range(count):
            sock.send(b"x" * size)
            total += len(sock.recv(65535))
        return total
    for _ in range(count):
        with socket.create_connection((address, port), limit) as conn:
            conn.sendall(b"x" * size)
            conn.shutdown(socket.SHUT_WR)
            total += rest(conn)
    return total


if role == "serve":
    serve()
else:
    print(send(int(sys.argv[6])))
