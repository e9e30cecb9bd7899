"""`http.server`: reads no chunks, and a body only by its length. argv: port, protocol version."""

import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from saw import line, say


class Handler(BaseHTTPRequestHandler):
    protocol_version = sys.argv[2]

    def answer(self):
        length = int(self.headers.get("Content-Length") or 0)
        # Most programs look for a body only where they expect one.
        reads = self.command in ("POST", "PUT", "PATCH")
        body = self.rfile.read(length) if reads else b""
        if reads and len(body) < length:
            self.close_connection = True
            return
        text = line(self.command, self.path, body if reads and "Transfer-Encoding" not in self.headers else None)
        self.send_response(200)
        self.send_header("X-Saw", text)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text.encode("latin-1"))

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = answer

    def send_error(self, code, message=None, explain=None):
        say(f"BAD {self.raw_requestline.decode('latin-1').rstrip()} {code} {message}")
        super().send_error(code, message, explain)

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


Server(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
