"""The catalog: what the shop sells. Python's standard library alone."""

import json
import os
import signal
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

INSTANCE = os.environ.get("MADANG_INSTANCE") or f"catalog (pid {os.getpid()})"

PRODUCTS = {
    product["id"]: product
    for product in [
        {"id": "moon-jar", "name": "Moon jar", "korean": "달항아리", "price": 189_000,
         "note": "White porcelain, never quite round."},
        {"id": "tea-bowl", "name": "Celadon tea bowl", "korean": "청자 찻잔", "price": 48_000,
         "note": "The green of a pond after rain."},
        {"id": "bojagi", "name": "Patchwork cloth", "korean": "조각보", "price": 76_000,
         "note": "Ramie scraps, wrapped around gifts."},
        {"id": "sujeo", "name": "Brass spoon set", "korean": "유기 수저", "price": 52_000,
         "note": "Hammered by hand, warm for years."},
        {"id": "lamp", "name": "Paper lamp", "korean": "한지등", "price": 95_000,
         "note": "Mulberry paper on a pine frame."},
        {"id": "soban", "name": "Small tray table", "korean": "소반", "price": 134_000,
         "note": "Seats one, carries everything."},
    ]
}

SLOTS = 64                                  # requests answered at the same time; more wait
FREE = threading.Semaphore(SLOTS)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"           # keep-alive: the gateway reuses its connections
    wbufsize = 64 * 1024                    # head and body leave in one write ...
    disable_nagle_algorithm = True          # ... and at once

    def do_GET(self):
        with FREE:
            self.route()

    def route(self):
        started = time.monotonic()
        path = self.path.split("?")[0]
        if path == "/health":
            return self.answer(200, {"status": "up"})
        if path == "/products":
            status = self.answer(200, {"products": list(PRODUCTS.values())})
        elif path.startswith("/products/"):
            product = PRODUCTS.get(path.removeprefix("/products/"))
            status = self.answer(200, {"product": product}) if product else self.answer(404, {"error": "no such product"})
        else:
            status = self.answer(404, {"error": f"nothing is at {path}"})
        # One line a request; health checks come every second and stay silent.
        print(f"GET {path} {status} {(time.monotonic() - started) * 1000:.1f} ms", flush=True)

    def answer(self, status, content):
        body = json.dumps({"instance": INSTANCE, **content}, ensure_ascii=False).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()
        return status

    def log_message(self, format, *args):
        """The base class logs in Apache's format; `do_GET` has its own line."""


class Server(ThreadingHTTPServer):
    request_queue_size = 128


if __name__ == "__main__":
    server = Server(("127.0.0.1", int(os.environ.get("PORT", "9001"))), Handler)
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
