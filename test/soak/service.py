"""service.py SECONDS (tcp|udp ADDRESS PORT)...: services that are ready after SECONDS, for many clients at once, in one process.

To be run with `python3 -IS`, without what an interpreter usually loads. SIGINT ends it.
tcp: answers each HTTP request with its own port and the client's address; keeps the connection open unless asked to close it.
udp: answers each datagram with the same, a space and the datagram.
"""
import select
import signal
import socket
import sys

signal.signal(signal.SIGINT, signal.SIG_DFL)
delay = float(sys.argv[1])
if delay > 0:
    import time

    time.sleep(delay)

poll = select.poll()
handlers = {}
held = {}


def watch(sock, handler):
    sock.setblocking(False)
    held[sock.fileno()] = sock
    handlers[sock.fileno()] = handler
    poll.register(sock, select.POLLIN)


def forget(sock):
    number = sock.fileno()
    poll.unregister(number)
    del handlers[number], held[number]
    sock.close()


def accepting(listener, port):
    def handle():
        try:
            conn, client = listener.accept()
        except OSError:
            return
        watch(conn, answering(conn, (b"%d " % port) + client[0].encode() + b"\n"))

    return handle


def answering(conn, body):
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n" % len(body)
    pending = b""

    def handle():
        nonlocal pending
        try:
            data = conn.recv(65536)
            if not data:
                forget(conn)
                return
            pending += data
            while b"\r\n\r\n" in pending:
                request, _, pending = pending.partition(b"\r\n\r\n")
                conn.sendall(head + b"\r\n" + body)
                if b"Connection: close" in request:
                    forget(conn)
                    return
        except OSError:
            forget(conn)

    return handle


def echoing(sock, port):
    def handle():
        try:
            data, client = sock.recvfrom(65535)
            sock.sendto((b"%d " % port) + client[0].encode() + b" " + data, client)
        except OSError:
            # an error of a former answer: its client has gone
            pass

    return handle


rest = sys.argv[2:]
for protocol, address, port in zip(rest[0::3], rest[1::3], map(int, rest[2::3])):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM)
    if protocol == "tcp":
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((address, port))
    if protocol == "tcp":
        sock.listen(4096)
        watch(sock, accepting(sock, port))
    else:
        watch(sock, echoing(sock, port))

while True:
    for number, _ in poll.poll():
        if number in handlers:
            handlers[number]()
