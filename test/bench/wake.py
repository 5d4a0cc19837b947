"""wake.py ADDRESS FIRST_PORT LAST_PORT COUNT SECONDS [LIMIT]: COUNT clients within SECONDS, over the ports in turn; each asks for /.

Prints a JSON object: for the answered ones the ms from connect to the first byte; errors with how often; when the first and the last were answered.
"""
import errno
import json
import resource
import selectors
import socket
import sys
import time

address, first, last, count, seconds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), float(sys.argv[5])
limit = float(sys.argv[6]) if len(sys.argv) > 6 else 20
resource.setrlimit(resource.RLIMIT_NOFILE, (count + 100, count + 100))
selector = selectors.DefaultSelector()
taken, errors = [], {}
began = time.monotonic()
first_at = last_at = None
started = 0
left = count


def end(sock, error=None):
    global left
    selector.unregister(sock)
    # by a reset: nothing is left over
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    sock.close()
    left -= 1
    if error is not None:
        errors[error] = errors.get(error, 0) + 1


while left > 0 and time.monotonic() - began < seconds + limit:
    due = min(count, int((time.monotonic() - began) / seconds * count) + 1) if seconds > 0 else count
    while started < due:
        sock = socket.socket()
        sock.setblocking(False)
        at = time.monotonic()
        sock.connect_ex((address, first + started % (last - first + 1)))
        selector.register(sock, selectors.EVENT_WRITE, at)
        started += 1
    for key, events in selector.select(0.001 if started < count else 0.1):
        sock = key.fileobj
        try:
            if events & selectors.EVENT_WRITE:
                code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                if code != 0:
                    end(sock, errno.errorcode.get(code, str(code)))
                    continue
                sock.send(b"GET / HTTP/1.0\r\n\r\n")
                selector.modify(sock, selectors.EVENT_READ, key.data)
            elif sock.recv(1) == b"":
                end(sock, "closed")
            else:
                taken.append((time.monotonic() - key.data) * 1000)
                last_at = time.time() * 1000
                first_at = first_at or last_at
                end(sock)
        except OSError as error:
            end(sock, errno.errorcode.get(error.errno, str(error)))
if left > 0:
    errors["no answer"] = left
print(json.dumps({"ms": [round(each, 3) for each in taken], "errors": errors, "firstAt": first_at, "lastAt": last_at}))
