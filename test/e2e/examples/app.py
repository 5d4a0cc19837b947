"""A web application for the example: listens at once, is well (/healthz) a second later, tells each client its address.

/socket changes the protocol, as for a WebSocket, and then answers each line with that line.
"""
import os
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

well = time.monotonic() + 1


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/socket":
            self.send_response(101)
            self.send_header("Upgrade", "lines")
            self.send_header("Connection", "Upgrade")
            self.end_headers()
            for line in self.rfile:
                self.wfile.write(line)
            return
        self.send_response(200 if time.monotonic() > well else 503)
        self.end_headers()
        self.wfile.write(self.client_address[0].encode() + b"\n")


ThreadingHTTPServer((os.environ["HOST"], int(os.environ["PORT"])), Handler).serve_forever()
