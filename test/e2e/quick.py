"""quick.py tcp|udp|dns ADDRESS PORT [SECONDS]: a service that is ready within milliseconds, or SECONDS later.

To be run with `python3 -IS`, without what an interpreter usually loads. One client at a time.
tcp: answers a request with the client's address, as HTTP. SIGINT ends it.
udp: answers each datagram with how many came before it, the client's address and the datagram.
dns: answers each question with one TXT record, the client's address.
"""
import signal
import socket
import sys

signal.signal(signal.SIGINT, signal.SIG_DFL)
mode, address, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
if len(sys.argv) > 4:
    import time

    time.sleep(float(sys.argv[4]))
family = socket.AF_INET6 if ":" in address else socket.AF_INET


def serve_tcp():
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((address, port))
    listener.listen(4096)
    while True:
        conn, client = listener.accept()
        try:
            if conn.recv(65536):
                body = (client[0] + "\n").encode()
                conn.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        except ConnectionError:
            pass
        conn.close()


def dns_answer(query, text):
    question = query[12 : query.index(b"\0", 12) + 5]
    record = b"\xc0\x0c\0\x10\0\x01\0\0\0\0" + (len(text) + 1).to_bytes(2, "big") + bytes([len(text)]) + text
    return query[:2] + b"\x81\x80\0\x01\0\x01\0\0\0\0" + question + record


def serve_udp():
    sock = socket.socket(family, socket.SOCK_DGRAM)
    sock.bind((address, port))
    count = 0
    while True:
        data, client = sock.recvfrom(65535)
        text = client[0].encode()
        answer = dns_answer(data, text) if mode == "dns" else b"%d %s %s" % (count, text, data)
        count += 1
        try:
            sock.sendto(answer, client)
        except OSError:
            # a port 0, or an address that can't be reached
            pass


serve_tcp() if mode == "tcp" else serve_udp()
