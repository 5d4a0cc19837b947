#!/usr/bin/env python3
"""A stand-in for llama.cpp's server: listens at once, answers /health with 503 until its model is loaded, which takes a second, and
streams its answer, word by word. The prompt says how: "WORDS SECONDS" is so many words with so much silence before each.
"""
import json
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

options = dict(zip(sys.argv[1::2], sys.argv[2::2]))
open(options["--model"]).close()
loaded = time.monotonic() + 1


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        ready = self.path == "/health" and time.monotonic() > loaded
        self.send_response(200 if ready else 503)
        self.end_headers()

    def do_POST(self):
        if time.monotonic() < loaded:
            self.send_error(503, "Loading model")
            return
        question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        words, seconds = question["messages"][0]["content"].split()
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        for word in range(int(words)):
            time.sleep(float(seconds))
            self.wfile.write(b'data: {"word": %d}\n\n' % word)
        self.wfile.write(b"data: [DONE]\n\n")


server = ThreadingHTTPServer((options["--host"], int(options["--port"])), Handler)
server.serve_forever()
