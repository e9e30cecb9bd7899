"""The web page of the shop. Python's standard library alone; the page itself is page.html."""

import json
import os
import pathlib
import signal
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

INSTANCE = os.environ.get("MADANG_INSTANCE") or f"web (pid {os.getpid()})"
PAGE = pathlib.Path(__file__).with_name("page.html").read_bytes()

SLOTS = 64                                  # requests answered at the same time; more wait
FREE = threading.Semaphore(SLOTS)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"           # keep-alive: the gateway reuses its connections
    wbufsize = 64 * 1024                    # head and body leave in one write ...
    disable_nagle_algorithm = True          # ... and at once

    def do_GET(self):
        with FREE:
            self.route()

    do_HEAD = do_GET

    def route(self):
        started = time.monotonic()
        path = self.path.split("?")[0]
        if path == "/health":
            return self.answer(200, "application/json", b'{"status": "up"}')
        if path in ("/", "/web/"):
            status = self.answer(200, "text/html; charset=utf-8", PAGE)
        elif path == "/web/instance":
            status = self.answer(200, "application/json", json.dumps({"instance": INSTANCE}).encode())
        else:
            status = self.answer(404, "text/plain; charset=utf-8", b"There is nothing here. The shop is at /\n")
        # One line a request; health checks come every second and stay silent.
        print(f"{self.command} {path} {status} {(time.monotonic() - started) * 1000:.1f} ms", flush=True)

    def answer(self, status, content_type, body):
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        self.wfile.flush()
        return status

    def log_message(self, format, *args):
        """The base class logs in Apache's format; `do_GET` has its own line."""


class Server(ThreadingHTTPServer):
    request_queue_size = 128


if __name__ == "__main__":
    server = Server(("127.0.0.1", int(os.environ.get("PORT", "9003"))), Handler)
    # `shutdown` waits for `serve_forever`, which runs on this very thread, so another one calls it.
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: threading.Thread(target=server.shutdown).start())
    print(f"{INSTANCE} listens on 127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever(poll_interval=0.05)
    server.server_close()
    for _ in range(SLOTS):                  # all slots free: every request under way has been answered
        FREE.acquire(timeout=5)
    print(f"{INSTANCE} stopped", flush=True)
    sys.exit(0)
