"""edge.py MODE ADDRESS PORT: a client that does what others seldom do.

keep-sending: sends a datagram every 200 ms over one socket; a line "answered" or "refused" for each that is.
out-of-window: on an open connection, sends a segment far above the window; prints "lives" or "reset".
datagrams: 64 datagrams over each of 700 sockets.
"""
import os
import socket
import struct
import sys
import time

mode, address, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
limit = 5 * float(os.environ.get("TEST_PACE", "1"))


def keep_sending():
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.connect((address, port))
    sock.settimeout(0.2)
    while True:
        try:
            sock.send(b"still here")
            sock.recv(65535)
            print("answered", flush=True)
        except TimeoutError:
            print("silence", flush=True)
            continue
        except ConnectionError:
            print("refused", flush=True)
        time.sleep(0.2)


def checksum(data):
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def out_of_window():
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800))
    wire.settimeout(limit)
    conn = socket.create_connection((address, port), timeout=limit)
    source, source_port = conn.getsockname()
    conn.sendall(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n")
    conn.recv(65536)
    time.sleep(0.5)
    conn.settimeout(0.5)
    try:
        conn.recv(65536)
    except TimeoutError:
        pass
    expected = sequence = 0
    wire.setblocking(False)
    while True:
        try:
            packet = wire.recv(65536)
        except BlockingIOError:
            break
        header = (packet[0] & 15) * 4
        length = struct.unpack("!H", packet[2:4])[0]
        if packet[9] != 6 or packet[12:16] != socket.inet_aton(address):
            continue
        tcp = packet[header:length]
        if struct.unpack("!HH", tcp[:4]) != (port, source_port):
            continue
        data = length - header - (tcp[12] >> 4) * 4
        seq, ack = struct.unpack("!II", tcp[4:12])
        expected, sequence = seq + data + (1 if tcp[13] & 3 else 0), ack
    head = struct.pack("!HHIIBBHHH", source_port, port, (sequence + (1 << 28)) & 0xFFFFFFFF, expected & 0xFFFFFFFF, 5 << 4, 0x10, 512, 0, 0)
    pseudo = socket.inet_aton(source) + socket.inet_aton(address) + struct.pack("!BBH", 0, 6, len(head) + 2)
    segment = head + b"xx"
    segment = segment[:16] + struct.pack("!H", checksum(pseudo + segment)) + segment[18:]
    raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP)
    raw.sendto(segment, (address, 0))
    time.sleep(0.3)
    try:
        conn.sendall(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n")
        conn.settimeout(limit)
        print("lives" if conn.recv(65536) else "closed")
    except ConnectionError:
        print("reset")


def datagrams():
    socks = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(700)]
    for sock in socks:
        for number in range(64):
            sock.sendto(b"datagram %d" % number, (address, port))


{"keep-sending": keep_sending, "out-of-window": out_of_window, "datagrams": datagrams}[mode]()
