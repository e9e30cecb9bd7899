"""A Python service that registers by Eureka and calls others by name. What it serves is told in interop/README.md."""

import json
import os
import signal
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from py_eureka_client import eureka_client

EUREKA = os.environ["INTEROP_EUREKA"]
SERVICE = os.environ["INTEROP_SERVICE"]
INSTANCE = os.environ["INTEROP_INSTANCE"]
PORT = int(os.environ["INTEROP_PORT"])
LEASE = int(os.environ["INTEROP_LEASE"])


def hello(_):
    return json.dumps({"from": INSTANCE})


def seen(service):
    application = eureka_client.get_client().applications.get_application(service.upper())
    return json.dumps([instance.instanceId for instance in application.up_instances] if application else [])


def call(service):
    return eureka_client.do_service(service, "/hello")


def metrics(_):
    return "interop_client 1\n"


PAGES = {"hello": hello, "seen": seen, "call": call, "metrics": metrics}


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        what, _, service = self.path[1:].partition("/")
        try:
            self.answer(200, PAGES[what](service), "text/plain" if what == "metrics" else "application/json")
        except Exception as error:
            self.answer(502, f"{type(error).__name__}: {error}\n", "text/plain")

    def answer(self, status, text, media_type):
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})  # for all threads: only sigwait below is to see it
server = ThreadingHTTPServer(("127.0.0.1", PORT), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
eureka_client.init(
    eureka_server=EUREKA,
    app_name=SERVICE,
    instance_id=INSTANCE,
    instance_host="127.0.0.1",
    instance_ip="127.0.0.1",
    instance_port=PORT,
    renewal_interval_in_secs=1,
    duration_in_secs=LEASE,
    on_error=lambda kind, error: print(kind, error, file=sys.stderr, flush=True),
)
signal.sigwait({signal.SIGTERM})
eureka_client.stop()
os._exit(0)  # 0.13.3 goes on with its heartbeats after stop, and they would register it again.
