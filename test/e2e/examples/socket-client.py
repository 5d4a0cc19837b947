"""socket-client.py ADDRESS PORT: changes the protocol of an HTTP connection, then says each line of its input and prints the answer."""
import socket
import sys

server = socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=20)
lines = server.makefile("rw", newline="\n")
lines.write("GET /socket HTTP/1.1\r\nHost: example\r\nConnection: Upgrade\r\nUpgrade: lines\r\n\r\n")
lines.flush()
print(lines.readline().strip(), flush=True)
while lines.readline().strip():
    pass
for line in sys.stdin:
    lines.write(line)
    lines.flush()
    print(lines.readline().strip() or "cut", flush=True)
