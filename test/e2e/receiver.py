"""An HTTP server for webhooks: answers with the given statuses in turn, the last one for ever, and prints a line of JSON for each request.

receiver.py ADDRESS PORT SECRET STATUS...
"""
import base64
import hmac
import http.server
import json
import socketserver
import sys

address, port, secret, *statuses = sys.argv[1:]
key = base64.b64decode(secret.removeprefix("whsec_"))
count = 0


class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        global count
        body = self.rfile.read(int(self.headers["content-length"]))
        signed = f"{self.headers['webhook-id']}.{self.headers['webhook-timestamp']}.".encode() + body
        signature = "v1," + base64.b64encode(hmac.digest(key, signed, "sha256")).decode()
        status = int(statuses[min(count, len(statuses) - 1)])
        count += 1
        line = {
            "path": self.path,
            "id": self.headers["webhook-id"],
            "is_genuine": hmac.compare_digest(signature, self.headers["webhook-signature"] or ""),
            "status": status,
            "body": json.loads(body),
        }
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()
        print(json.dumps(line), flush=True)

    def log_message(self, *_):
        pass


class Server(socketserver.TCPServer):
    """Does not look up its own name, as HTTPServer does."""

    allow_reuse_address = True


server = Server((address, int(port)), Receiver)
print("listening", flush=True)
server.serve_forever()
