"""The demonstration's service, on 198.51.100.2: HTTP on port 80, datagrams on port 7. Both tell the client its address.

It takes a second to start, as real services do, and says what it does.
"""
import http.server
import socketserver
import threading
import time

ADDRESS = "198.51.100.2"


class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = f"hello {self.client_address[0]}\n".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        print("request from", self.client_address[0], flush=True)


class Datagram(socketserver.BaseRequestHandler):
    def handle(self):
        _, answer_socket = self.request
        print("datagram from", self.client_address[0], flush=True)
        answer_socket.sendto(f"hello {self.client_address[0]}\n".encode(), self.client_address)


class HttpServer(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


time.sleep(1)
try:
    datagrams = socketserver.UDPServer((ADDRESS, 7), Datagram)
    threading.Thread(target=datagrams.serve_forever, daemon=True).start()
    HttpServer((ADDRESS, 80), Page).serve_forever()
except KeyboardInterrupt:
    print("stopped", flush=True)
