"""magic-packet.py HARDWARE-ADDRESS: ends when a magic packet for it has come, as a sleeping machine's network card waits for one."""
import socket
import sys

packet = b"\xff" * 6 + bytes.fromhex(sys.argv[1].replace(":", "")) * 16
card = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
card.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
card.bind(("", 9))
while packet not in card.recv(1500):
    pass
