"""service.py tcp|udp ADDRESS PORT [SECONDS]: a service for tests, ready after SECONDS.

tcp: an HTTP server that answers with the client's address; GET /slow sends a byte every 100 ms for 3 s.
udp: answers each datagram with the client's address, a space, and the datagram.
"""
import http.server
import socket
import socketserver
import sys
import time

protocol, address, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
time.sleep(float(sys.argv[4]) if len(sys.argv) > 4 else 0)
family = socket.AF_INET6 if ":" in address else socket.AF_INET


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path == "/slow":
            self.send_response(200)
            self.send_header("Content-Length", "30")
            self.end_headers()
            for _ in range(30):
                self.wfile.write(b".")
                time.sleep(0.1)
            return
        body = (self.client_address[0] + "\n").encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format, *args):
        print(self.client_address[0], format % args, flush=True)


class Server(http.server.ThreadingHTTPServer):
    address_family = family
    daemon_threads = True
    request_queue_size = 1024

    def server_bind(self):
        # http.server's own looks up the host's name, which takes seconds where there is no name service
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = address, port


if protocol == "tcp":
    Server((address, port), Handler).serve_forever()
else:
    sock = socket.socket(family, socket.SOCK_DGRAM)
    sock.bind((address, port))
    while True:
        data, client = sock.recvfrom(65535)
        print("datagram from", client[0], flush=True)
        sock.sendto(client[0].encode() + b" " + data, client)
