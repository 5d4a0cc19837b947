"""status-ping.py ADDRESS PORT SOURCE: asks a Minecraft server for its status, as a list of servers does; prints the answer, or `refused`."""
import socket
import struct
import sys

address, port, source = sys.argv[1], int(sys.argv[2]), sys.argv[3]
try:
    server = socket.create_connection((address, port), timeout=20, source_address=(source, 0))
except ConnectionRefusedError:
    print("refused")
    sys.exit()
name = address.encode()
handshake = b"\0\xff\x05" + bytes([len(name)]) + name + struct.pack(">H", port) + b"\x01"
server.sendall(bytes([len(handshake)]) + handshake + b"\x01\0")
answer = server.recv(4096)
print(answer[answer.index(b"{") :].decode())
