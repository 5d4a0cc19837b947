"""A service manager: prints each message that comes to the socket at argv[1], in one line."""
import socket
import sys

manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
manager.bind(sys.argv[1])
print("bound", flush=True)
while True:
    print(manager.recv(65536).decode().replace("\n", " "), flush=True)
