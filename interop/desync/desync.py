"""Doubtful messages through the real gateway to servers that others wrote: nobody is answered out of turn.

Each connection brings some messages and a marker; `strict.py` says what they mean, or where meaning ends. Then must hold:

- an answer is to the request in its place, and there are no more answers than that;
- every server sees only requests that somebody sent, each once, with the body that was sent;
- a marker on a connection of its own, over the same connections to the server, gets its own answer.

`--seed` repeats a run.
"""

import argparse
import collections
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
BUILT = ROOT / "target" / "interop" / "desync"
LOGS = BUILT / "logs"

sys.path.insert(0, str(HERE / "upstreams"))
from messages import Messages  # noqa: E402
from saw import fnv  # noqa: E402
import strict  # noqa: E402

# Seconds without a byte after which a connection that waits for more of a message is given up.
QUIET = 0.15
# Seconds an answer that must come may take.
PATIENCE = 10
# Clients of one upstream at a time.
CLIENTS = 3


class Upstream:
    """A server, and all that it says it saw."""

    def __init__(self, name, command, reads_chunks=True):
        self.name, self.reads_chunks, self.port = name, reads_chunks, free_port()
        self.log = LOGS / f"{name}.log"
        words = [str(word).replace("PORT", str(self.port)) for word in command]
        variables = os.environ | {"PYTHONPATH": f"{BUILT / 'python'}:{HERE / 'upstreams'}", "PYTHONUNBUFFERED": "1"}
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(words, env=variables, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        # Requests of all connections: how often each was sent, and with which bodies.
        self.sent = collections.Counter()
        self.bodies = collections.defaultdict(set)
        self.streams = []
        self.lock = threading.Lock()

    def expect(self, stream, requests):
        with self.lock:
            self.streams.append(stream)
            for request in requests:
                key = (request.method.decode(), request.path.decode())
                self.sent[key] += 1
                self.bodies[key].add(None if request.body is None else f"{len(request.body)}:{fnv(request.body):08x}")

    def judge(self):
        """Everything it should not have seen."""
        wrong, seen = [], collections.Counter()
        for line in self.log.read_text(errors="replace").splitlines():
            kind, _, said = line.partition(" ")
            method, path, *more = said.split(" ")[:3] + ["", ""]
            if kind == "BAD" and self.sent[method, path] == 0 or self.is_complaint(line):
                wrong.append(f"it was sent what is no request: {line}")
            if kind != "SAW":
                continue
            seen[method, path] += 1
            if more[0] != "-" and self.sent[method, path] and more[0] not in self.bodies[method, path]:
                wrong.append(f"another body than was sent: {line}, not {self.bodies[method, path]}")
        for key, count in seen.items():
            # One that may be repeated may be seen again when a connection broke.
            most = self.sent[key] * (1 if key[0] in ("POST", "PATCH") else 2)
            if count > most:
                streams = [stream for stream in self.streams if key[1].encode() + b" " in stream]
                wrong.append(f"seen {count} times, sent {self.sent[key]} times: {' '.join(key)}\n    in {streams}")
        return wrong, sum(seen.values())

    def is_complaint(self, line):
        """Gunicorn's word for what is no request to it; methods that it does not know are what somebody sent."""
        return "Invalid" in line and not any(f"Invalid HTTP method: '{method}'" in line for method, _ in self.sent)


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def listens(port, process):
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except OSError:
            time.sleep(0.05)  # between two looks
    raise SystemExit(f"error: {process.args[0]} does not listen; its log is in {LOGS}")


def upstreams(only):
    server = HERE / "upstreams"
    gunicorn = [sys.executable, "-m", "gunicorn", "--bind", "127.0.0.1:PORT", "--threads", "8", "--keep-alive", "60", "--log-level", "warning"]
    lenient = ["--permit-obsolete-folding", "--permit-unconventional-http-method", "--permit-unconventional-http-version"]
    all_of = {
        "node": ([["node", server / "node.mjs", "PORT"]], True),
        "node-lenient": ([["node", server / "node.mjs", "PORT", "lenient"]], True),
        "python": ([[sys.executable, server / "http_server.py", "PORT", "HTTP/1.1"]], False),
        "python-1.0": ([[sys.executable, server / "http_server.py", "PORT", "HTTP/1.0"]], False),
        "gunicorn": ([[*gunicorn, "wsgi:app"]], True),
        "gunicorn-lenient": ([[*gunicorn, *lenient, "wsgi:app"]], True),
        "hyper": ([[BUILT / "hyper", "PORT"]], True),
        "go": ([[BUILT / "go", "PORT"]], True),
    }
    if not (BUILT / "go").exists():
        print("go: left out, there is no Go here; `--install` brings it")
        del all_of["go"]
    names = only or all_of
    return [Upstream(name, all_of[name][0][0], all_of[name][1]) for name in names]


class Gateway:
    def __init__(self, upstreams):
        self.folder = Path(tempfile.mkdtemp(prefix="madang-desync-"))
        self.port = free_port()
        lines = ["[listen]", f'gateway = "127.0.0.1:{self.port}"', f'admin = "127.0.0.1:{free_port()}"', 'egress = "off"', 'eureka = "off"']
        # One worker: all clients of an upstream share its connections.
        lines += ["[gateway]", "workers = 1", "[gateway.timeouts]", f'head = "{int(QUIET * 2000)}ms"']
        for upstream in upstreams:
            lines += ["[[routes]]", f'id = "{upstream.name}"', f'match = {{ path = "/{upstream.name}/**" }}', f'to = "http://127.0.0.1:{upstream.port}"']
        (self.folder / "madang.toml").write_text("\n".join([*lines, ""]))
        madang = os.environ.get("MADANG_BINARY") or ROOT / "target" / "debug" / "madang"
        with open(LOGS / "madang.log", "wb") as log:
            self.process = subprocess.Popen([madang, "serve"], cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        listens(self.port, self.process)


class Answers:
    """Reads the final answers off a connection, strictly."""

    def __init__(self, connection):
        self.connection, self.bytes, self.ended = connection, b"", False

    def more(self, seconds):
        self.connection.settimeout(seconds)
        try:
            part = self.connection.recv(65536)
        except (TimeoutError, BlockingIOError):
            return False
        except OSError:
            part = b""
        self.bytes += part
        self.ended = not part
        return bool(part)

    def next(self, method, seconds):
        """Status and what it says it saw; None when nothing comes."""
        while True:
            head, found, rest = self.bytes.partition(b"\r\n\r\n")
            if found:
                first, *lines = head.split(b"\r\n")
                status = int(first.split(b" ")[1])
                fields = dict((name.lower(), value.strip()) for name, _, value in (line.partition(b":") for line in lines))
                length = int(fields.get(b"content-length", 0))
                if status < 200:
                    self.bytes = rest
                    continue
                if method == b"HEAD" or status in (204, 304):
                    length = 0
                if b"transfer-encoding" in fields:
                    try:
                        _, self.bytes = strict.body("chunked", rest)
                        return status, fields.get(b"x-saw"), fields
                    except strict.Refused as refused:
                        if self.ended:
                            raise Wrong(f"an answer broke off: {head!r} {rest!r}") from refused
                    except strict.Cut:
                        pass
                    length = len(rest) + 1
                if len(rest) >= length:
                    self.bytes = rest[length:]
                    return status, fields.get(b"x-saw"), fields
            if self.ended or not self.more(seconds):
                if self.ended and self.bytes:
                    raise Wrong(f"an answer broke off: {self.bytes!r}")
                return None


class Wrong(Exception):
    pass


class Client(threading.Thread):
    """Sends streams to one upstream, one connection after the other."""

    def __init__(self, gateway, upstream, seed, count):
        super().__init__(daemon=True)
        self.gateway, self.upstream, self.seed, self.count = gateway, upstream, seed, count
        self.found, self.tally = [], collections.Counter()

    def run(self):
        messages = Messages(random.Random(self.seed), f"/{self.upstream.name}/{self.seed.split('/')[-1]}")
        for _ in range(self.count):
            stream, fresh = messages.stream(), messages.marker()
            try:
                self.follow(stream)
            except Wrong as wrong:
                self.found.append(f"{wrong}\n    after {stream!r}")
            try:
                self.fresh(fresh)
            except Wrong as wrong:
                self.found.append(f"a marker of its own: {wrong}\n    {fresh!r} after {stream!r}")

    def connect(self):
        connection = socket.create_connection(("127.0.0.1", self.gateway.port))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def follow(self, stream):
        requests, rest = strict.read(stream)
        self.upstream.expect(stream, requests)
        with self.connect() as connection:
            try:
                connection.sendall(stream)
            except OSError:
                pass  # refused before all was sent
            answers = Answers(connection)
            for request in requests:
                got = answers.next(request.method, PATIENCE if request.body is not None else QUIET)
                if got is None:
                    self.tally["cut short"] += 1
                    return
                self.check(request, got)
            # What is left has no meaning or no end: it may be refused, once.
            method = b"HEAD" if rest.lstrip().startswith(b"HEAD ") else b"GET"
            refusal = answers.next(method, QUIET if rest else 0.002)
            if refusal:
                status, saw, _ = refusal
                if saw is not None:
                    raise Wrong(f"answered beyond what was asked: {status} {saw!r}")
                self.tally["refused"] += 1
                if answers.next(b"GET", QUIET):
                    raise Wrong("something was answered behind a refusal")

    def check(self, request, got):
        status, saw, fields = got
        if saw is None:
            # The server's own word about a request that it does not like, or the gateway's.
            self.tally["ours" if fields.get(b"content-type") == b"application/problem+json" else "theirs"] += 1
            return
        self.tally["forwarded"] += 1
        if saw.split(b" ")[:2] != [request.method, request.path]:
            raise Wrong(f"{request.method.decode()} {request.path.decode()} was answered with {saw.decode()}")

    def fresh(self, marker):
        (request,), _ = strict.read(marker)
        self.upstream.expect(marker, [request])
        with self.connect() as connection:
            connection.sendall(marker)
            got = Answers(connection).next(request.method, PATIENCE)
            if got is None or got[1] is None:
                raise Wrong(f"it got {got}")
            self.check(request, got)


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--seed", default=os.environ.get("MADANG_SEED") or str(random.randrange(2**32)))
    options.add_argument("--messages", type=int, default=450, help="for each upstream")
    options.add_argument("upstreams", nargs="*")
    options = options.parse_args()
    print(f"MADANG_SEED={options.seed} repeats this", flush=True)
    shutil.rmtree(LOGS, ignore_errors=True)
    LOGS.mkdir(parents=True)
    started, all_of, processes = time.monotonic(), upstreams(options.upstreams), []
    processes = [upstream.process for upstream in all_of]
    try:
        for upstream in all_of:
            listens(upstream.port, upstream.process)
        gateway = Gateway(all_of)
        processes.append(gateway.process)
        clients = [
            Client(gateway, upstream, f"{options.seed}/{upstream.name}/{index}", options.messages // CLIENTS)
            for upstream in all_of for index in range(CLIENTS)
        ]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
        alive = gateway.process.poll() is None
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait()
    failed = tell(all_of, clients)
    if not alive:
        failed += 1
        print(f"\nmadang ended; its log is in {LOGS}")
    seconds = time.monotonic() - started
    print(f"\ntest result: {'FAILED' if failed else 'ok'}. {len(all_of) - min(failed, len(all_of))} passed; {failed} failed; 0 ignored; finished in {seconds:.1f}s")
    sys.exit(1 if failed else 0)


def tell(all_of, clients):
    """One line for each upstream, and what was found. How many failed."""
    failed = 0
    for upstream in all_of:
        mine = [client for client in clients if client.upstream is upstream]
        tally = sum((client.tally for client in mine), collections.Counter())
        wrong, seen = upstream.judge()
        wrong = [found for client in mine for found in client.found] + wrong
        # A run that forwards next to nothing proves nothing.
        if tally["forwarded"] < sum(client.count for client in mine):
            wrong.append(f"only {tally['forwarded']} requests were forwarded")
        counts = ", ".join(f"{count} {what}" for what, count in sorted(tally.items()))
        print(f"{upstream.name}: {sum(client.count for client in mine)} messages; {seen} seen; {counts}; {'ok' if not wrong else f'{len(wrong)} WRONG'}")
        for found in wrong[:10]:
            print(f"  {found}")
        failed += bool(wrong)
    return failed


if __name__ == "__main__":
    main()
