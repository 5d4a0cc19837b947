"""malformed.py INTERFACE DESTINATION DESTINATION6 PORT COUNT: packets that no decent program sends, for both families.

First each flaw by itself, for TCP and UDP, then COUNT pseudo-random mutations of good packets for each family. They go
out below IP, so that this host's kernel puts nothing right. Prints how many were sent.
"""
import random
import re
import socket
import struct
import subprocess
import sys
import time

interface, destination, destination6, port, count = *sys.argv[1:4], int(sys.argv[4]), int(sys.argv[5])
TCP, UDP, FRAGMENT, NONE = 6, 17, 44, 59
SYN, EVERYTHING = 0x02, 0xFF
pick = random.Random("malformed")

neighbours = subprocess.run(["ip", "neigh", "show", destination, "dev", interface], capture_output=True, text=True).stdout
mac = bytes.fromhex(re.search(r"lladdr (\S+)", neighbours).group(1).replace(":", ""))
source, target = socket.inet_aton("10.77.1.2"), socket.inet_aton(destination)
source6, target6 = socket.inet_pton(socket.AF_INET6, "fd77:1::2"), socket.inet_pton(socket.AF_INET6, destination6)
wire = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM)
sent = 0


def send(ethertype, packet):
    global sent
    wire.sendto(packet, (interface, ethertype, 0, 0, mac))
    sent += 1
    if sent % 100 == 0:
        time.sleep(0.01)


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF


def tcp(pseudo, sport=40000, dport=port, flags=SYN, offset=5, rest=b"", good=True):
    head = struct.pack("!HHIIBBHHH", sport, dport, 1, 0, offset << 4, flags, 64240, 0, 0) + rest
    total = checksum(pseudo(TCP, len(head)) + head) if good else 0x1234
    return head[:16] + struct.pack("!H", total) + head[18:]


def udp(pseudo, sport=40000, dport=port, length=None, rest=b"data", good=True):
    head = struct.pack("!HHHH", sport, dport, 8 + len(rest) if length is None else length, 0) + rest
    total = checksum(pseudo(UDP, len(head)) + head) if good else 0x1234
    return head[:6] + struct.pack("!H", total) + head[8:]


def pseudo4(protocol, length):
    return source + target + struct.pack("!BBH", 0, protocol, length)


def pseudo6(protocol, length):
    return source6 + target6 + struct.pack("!IHBB", length, 0, 0, protocol)


def ip4(protocol, body, ihl=5, length=None, fragment=0, ident=7, options=b"", good=True):
    length = 20 + len(options) + len(body) if length is None else length
    head = struct.pack("!BBHHHBBH4s4s", 0x40 | ihl, 0, length, ident, fragment, 64, protocol, 0, source, target) + options
    return head[:10] + struct.pack("!H", checksum(head) if good else 0x1234) + head[12:] + body


def ip6(following, body, length=None, version=6):
    length = len(body) if length is None else length
    return struct.pack("!IHBB16s16s", version << 28, length, following, 64, source6, target6) + body


def segments(pseudo):
    """Flawed TCP and UDP headers, each with its protocol."""
    for flags in (0, SYN | 1, SYN | 4, EVERYTHING, 0x29, 0x10, 0x04, 0x01):
        yield TCP, tcp(pseudo, flags=flags)
    for offset in (0, 4, 6, 15):
        yield TCP, tcp(pseudo, offset=offset)
    for sport, dport in ((0, port), (40001, 0), (0, 0)):
        yield TCP, tcp(pseudo, sport, dport)
        yield UDP, udp(pseudo, sport, dport)
    yield TCP, tcp(pseudo, good=False)
    yield UDP, udp(pseudo, good=False)
    for rest in (b"\x02\x00\x00\x00", b"\x08\xff\x01\x01", b"\x01\x01\x02\x28"):
        yield TCP, tcp(pseudo, offset=6, rest=rest)
    for cut in (0, 1, 3, 4, 8, 13, 19):
        yield TCP, tcp(pseudo)[:cut]
    for cut in (0, 2, 4, 7):
        yield UDP, udp(pseudo)[:cut]
    for length in (0, 7, 9, 65535):
        yield UDP, udp(pseudo, length=length)
    for protocol in (0, 1, 2, 41, 47, 58, 132, 255):
        yield protocol, tcp(pseudo)


def flawed4():
    for protocol, segment in segments(pseudo4):
        yield ip4(protocol, segment)
        yield ip4(protocol, segment, ihl=15, options=b"\x01" * 40)
        # the header says more than there is
        yield ip4(protocol, segment, length=1500)
    for ihl in (0, 4, 6, 15):
        yield ip4(TCP, tcp(pseudo4), ihl=ihl)
    for length in (0, 19, 20, 21, 39, 65535):
        yield ip4(TCP, tcp(pseudo4), length=length)
    yield ip4(TCP, tcp(pseudo4), good=False)
    for size in range(21):
        yield ip4(TCP, tcp(pseudo4))[:size]
    for options in (b"\x07\xff\x04\x00", b"\x83\x03\x04\x00", b"\x44\x00\x00\x00", b"\x94\x04\x00\x00"):
        yield ip4(TCP, tcp(pseudo4), ihl=6, options=options)
    whole = tcp(pseudo4, rest=b"x" * 64)
    more = 0x2000
    for ident, pieces in enumerate(
        [
            [(0, 8, True)],
            [(8, 16, False)],
            [(0, 24, True), (16, 84, False)],
            [(8, 84, False), (0, 8, True)],
            [(0, 84, True), (0, 84, False)],
            [(65528, 84, False)],
            [(0, 24, True), (24, 84, False)],
        ],
        100,
    ):
        for begin, end, has_more in pieces:
            piece = whole[begin:end] or whole
            yield ip4(TCP, piece, fragment=(more if has_more else 0) | begin // 8, ident=ident)


def flawed6():
    for protocol, segment in segments(pseudo6):
        yield ip6(protocol, segment)
        yield ip6(protocol, segment, length=1400)
        yield ip6(protocol, segment, length=0)
    good = tcp(pseudo6)
    for size in range(0, 60, 3):
        yield ip6(TCP, good)[:size]
    for version in (0, 4, 5, 15):
        yield ip6(TCP, good, version=version)
    for header in (0, 43, 60, 51, 50, 135, 139, 140, 253):
        padding = b"\x01\x04\0\0\0\0"
        yield ip6(header, bytes([TCP, 0]) + padding + good)
        # as long as can be, longer than the packet, cut off
        yield ip6(header, bytes([TCP, 255]) + padding + good)
        yield ip6(header, bytes([TCP, 3]) + padding + good)
        yield ip6(header, bytes([TCP]))
        yield ip6(header, bytes([header, 0]) + padding)
        yield ip6(header, (bytes([header, 0]) + padding) * 30 + bytes([TCP, 0]) + padding + good)
        yield ip6(header, bytes([NONE, 0]) + padding + good)
    for kind in (0, 2, 4, 200):
        yield ip6(43, bytes([TCP, 2, kind, 1]) + b"\0" * 20 + good)
    for ident, (offset, more) in enumerate([(0, 0), (0, 1), (8, 0), (8, 1), (65528, 0), (0, 0)], 100):
        head = struct.pack("!BBHI", TCP, 0, offset | more, ident)
        yield ip6(FRAGMENT, head + good)
        yield ip6(FRAGMENT, head + good[:8])
        yield ip6(FRAGMENT, head[:5])
        yield ip6(0, bytes([FRAGMENT, 0]) + b"\x01\x04\0\0\0\0" + head + good)
    # jumbograms
    yield ip6(0, bytes([TCP, 0, 0xC2, 4, 0, 1, 0, 0]) + good, length=0)
    yield ip6(0, bytes([TCP, 0, 0xC2, 4, 0xFF, 0xFF, 0xFF, 0xFF]) + good, length=0)


def mutated(packet, header_bytes):
    packet = bytearray(packet)
    for _ in range(pick.randrange(1, 5)):
        packet[pick.randrange(len(packet))] = pick.randrange(256)
    if header_bytes == 20 and len(packet) >= 20:
        # with a good checksum it gets past the first look
        packet[10:12] = b"\0\0"
        packet[10:12] = struct.pack("!H", checksum(bytes(packet[:20])))
    return bytes(packet[: pick.randrange(1, len(packet) + 1)]) if pick.random() < 0.2 else bytes(packet)


for packet in flawed4():
    send(0x0800, packet)
for packet in flawed6():
    send(0x86DD, packet)
for number in range(count):
    for protocol in (TCP, UDP):
        body4, body6 = (tcp(pseudo4), tcp(pseudo6)) if protocol == TCP else (udp(pseudo4), udp(pseudo6))
        send(0x0800, mutated(ip4(protocol, body4), 20))
        extension = bytes([protocol, 0, 1, 4, 0, 0, 0, 0])
        send(0x86DD, mutated(ip6(pick.choice((0, 60)), extension + body6) if number % 2 else ip6(protocol, body6), 40))
print(sent)
