#!/usr/bin/env python3
"""A stand-in for a Minecraft server, put in the place of `java`; no game, but what of one matters to who waits for it:
it listens before its world is loaded, answers nobody until then, logs `Done (…)` when it is, answers status pings, and saves
its world when it is told to end, which takes a moment. Its address is in server.properties, as the real one's.
"""
import json
import os
import signal
import socket
import sys
import threading
import time

properties = dict(line.strip().split("=", 1) for line in open("server.properties") if "=" in line)
os.makedirs("logs", exist_ok=True)
log = open("logs/latest.log", "w", buffering=1)


def stop(*_):
    log.write("Saving worlds\n")
    time.sleep(0.5)
    with open("world.saved", "a") as world:
        world.write("saved\n")
    os._exit(0)


signal.signal(signal.SIGTERM, stop)


def varint(value):
    data = b""
    while True:
        value, low = value >> 7, value & 0x7F
        data += bytes([low | (0x80 if value else 0)])
        if not value:
            return data


def packet(connection):
    """The content of the next packet: its id, and what follows."""
    length = shift = 0
    while True:
        byte = connection.recv(1)
        if not byte:
            return None
        length |= (byte[0] & 0x7F) << shift
        shift += 7
        if not byte[0] & 0x80:
            break
    data = b""
    while len(data) < length:
        part = connection.recv(length - len(data))
        if not part:
            return None
        data += part
    return data


def serve(connection, client):
    with connection:
        while (data := packet(connection)) is not None:
            if data == b"\0":  # the status request, after the handshake
                text = json.dumps({"description": {"text": "awake"}, "client": client[0]}).encode()
                body = b"\0" + varint(len(text)) + text
                connection.sendall(varint(len(body)) + body)


listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind((properties["server-ip"], int(properties["server-port"])))
listener.listen()
log.write("Starting Minecraft server on %(server-ip)s:%(server-port)s\n" % properties)
time.sleep(1.5)
log.write('Done (1.500s)! For help, type "help"\n')
if "nogui" not in sys.argv:
    sys.exit("the example starts it without a window")
while True:
    threading.Thread(target=serve, args=listener.accept(), daemon=True).start()
