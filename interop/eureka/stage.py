"""The stage of the tests: a Eureka server, the real clients around it, and the ways to look at both.

One stage serves all tests of a run, because a Java program takes seconds to start. Every test leaves it as it found it.
Nothing here waits for a while: `eventually` looks until a fact is there, and says what it saw last when it never comes.
"""

import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
BUILT = ROOT / "target" / "interop" / "eureka"
LOGS = BUILT / "logs"

# Seconds a client has without news before it is taken for dead. It renews every second, so that a machine may stop for
# four of them.
LEASE = 5

# Every program stays within what a small test needs, and starts as fast as it can.
JAVA = ["java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx192m", "-jar"]


def eventually(fact, look, until, within):
    """Calls `look` until what it gives is right. What it gave or raised last is told when that takes too long."""
    deadline = time.monotonic() + within
    while True:
        try:
            last = look()
            if until(last):
                return
        except (OSError, Refused) as error:
            last = error
        if time.monotonic() > deadline:
            raise AssertionError(f"{fact}: not within {within} s; seen last: {last!r}")
        time.sleep(0.05)  # between two looks


class Refused(Exception):
    """An answer that is not 2xx."""


# Straight to loopback, also on a machine that has a proxy.
STRAIGHT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def ask(url, method="GET"):
    """The body of an answer, parsed when it is JSON."""
    request = urllib.request.Request(url, method=method, headers={"Accept": "application/json"})
    try:
        with STRAIGHT.open(request, timeout=10) as answer:
            body = answer.read()
            return json.loads(body) if answer.headers.get_content_type() == "application/json" else body.decode()
    except urllib.error.HTTPError as error:
        raise Refused(f"{method} {url}: {error.code} {error.read().decode(errors='replace').strip()}") from error


def free_port():
    """A port that is free, and stays so until the program it is for has started.

    It is below those the kernel gives to outgoing connections: one of the many calls that are made here would take it.
    """
    first_outgoing = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    while True:
        port = random.randrange(10_000, max(first_outgoing, 11_000))
        with socket.socket() as one:
            try:
                one.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in GIVEN:
            GIVEN.add(port)
            return port


GIVEN = set()


# Variables of whoever runs the tests that would change what is tested.
FOREIGN = re.compile("^MADANG_|_proxy$", re.IGNORECASE)


class Program:
    """A process with a log file, ended with the stage at the latest."""

    def __init__(self, name, command, variables=None, folder=None):
        self.name, self.command, self.folder = name, command, folder
        self.variables = {key: value for key, value in os.environ.items() if not FOREIGN.search(key)}
        self.variables.update(variables or {}, PYTHONPATH=str(BUILT / "python"))
        self.process = None

    def start(self):
        with open(LOGS / f"{self.name}.log", "ab") as log:
            self.process = subprocess.Popen(
                [str(word) for word in self.command],
                env=self.variables, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )
        return self

    def runs(self):
        return self.process is not None and self.process.poll() is None

    def stop(self):
        """Asks it to end, waits until it has, and gives its exit code. One that does not end is killed."""
        if self.runs():
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()

    def kill(self):
        if self.runs():
            self.process.kill()
        self.process.wait()


class Server:
    """What Madang and the real server have in common: a Eureka face at `url`."""

    def __init__(self):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/eureka"

    def start(self):
        self.program.start()
        eventually("the server answers", self.listed, lambda _: True, within=60)

    def stop(self):
        self.program.stop()

    def kill(self):
        self.program.kill()

    def listed(self):
        """All instances that are listed, by id."""
        applications = ask(f"{self.url}/apps")["applications"]["application"]
        return {one["instanceId"]: one for application in applications for one in application["instance"]}

    def ids(self):
        return set(self.listed())

    def instance(self, client):
        """One instance as the registry has it now; the real server keeps no older answer of this one."""
        return ask(f"{self.url}/apps/{client.service.upper()}/{client.id}")["instance"]

    def lease(self, client):
        """When it registered and when it last renewed, in ms; there the real server shows when the lease will end."""
        lease = self.instance(client)["leaseInfo"]
        return lease["registrationTimestamp"], lease["lastRenewalTimestamp"]

    def override(self, client, status):
        ask(f"{self.url}/apps/{client.service.upper()}/{client.id}/status?value={status}", "PUT")

    def end_override(self, client):
        ask(f"{self.url}/apps/{client.service.upper()}/{client.id}/status?value=UP", "DELETE")


class Madang(Server):
    """`madang serve` on a folder of its own."""

    # Seconds until a change that the server knows has reached every client; they ask once a second.
    patience = 30
    # A change is in the next answer, and a restart forgets nobody.
    exact = True

    def __init__(self):
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="madang-interop-"))
        egress = free_port()
        self.egress = f"http://127.0.0.1:{egress}"
        listen = {"eureka": self.port, "egress": egress, "gateway": free_port(), "admin": free_port()}
        lines = [f'{name} = "127.0.0.1:{port}"' for name, port in listen.items()]
        (self.folder / "madang.toml").write_text("\n".join(["[listen]", *lines, ""]))
        madang = os.environ.get("MADANG_BINARY") or ROOT / "target" / "debug" / "madang"
        self.program = Program("madang", [madang, "serve"], folder=self.folder)

    def stop(self):
        super().stop()
        shutil.rmtree(self.folder, ignore_errors=True)


class Eureka(Server):
    """The real server, as it comes: answers up to 30 s old, nothing on disk."""

    patience = 150
    exact = False

    def __init__(self):
        super().__init__()
        jar = BUILT / "java" / "server" / "server.jar"
        self.program = Program("eureka", [*JAVA, jar], {"INTEROP_PORT": str(self.port)})


class Client:
    """A service with a real Eureka client in it. What each serves is told in interop/README.md."""

    def __init__(self, service, command, server):
        self.service = service
        self.command = command
        self.server = server
        self.port = free_port()
        self.id = f"127.0.0.1:{service}:{self.port}"
        self.program = Program(f"{service}-{self.port}", command, {
            "INTEROP_EUREKA": server.url, "INTEROP_SERVICE": service, "INTEROP_INSTANCE": self.id,
            "INTEROP_PORT": str(self.port), "INTEROP_LEASE": str(LEASE),
        })

    def another(self):
        return Client(self.service, self.command, self.server)

    def ask(self, path):
        return ask(f"http://127.0.0.1:{self.port}{path}")

    def sees(self, service):
        """The ids of all instances it would call, as it knows them."""
        return set(self.ask(f"/seen/{service}"))

    def log(self):
        return (LOGS / f"{self.program.name}.log").read_text(errors="replace")

    def call(self, service):
        """The id of the instance that answered a call by name."""
        return self.ask(f"/call/{service}")["from"]


class Stage:
    def __init__(self):
        shutil.rmtree(LOGS, ignore_errors=True)
        LOGS.mkdir(parents=True)
        self.server = Eureka() if os.environ.get("MADANG_INTEROP_SERVER") == "eureka" else Madang()
        self.python = Client("python", ["python3", HERE / "python/client.py"], self.server)
        self.node = Client("node", ["node", HERE / "node/client.js"], self.server)
        self.java = Client("java", [*JAVA, BUILT / "java/app/app.jar"], self.server)
        self.clients = [self.python, self.node, self.java]
        self.seconds = {}
        self.started = []

    def open(self):
        self.started.append(self.server)
        self.server.start()
        for client in self.clients:
            self.started.append(client.program.start())
        for client in self.clients:
            self.is_known_to_all(client)

    def close(self):
        while self.started:
            self.started.pop().stop()

    def second(self, client):
        """Another instance of the same service, known to all; the one that runs, if there is one."""
        second = self.seconds.get(client.service)
        if second is None:
            second = self.seconds[client.service] = client.another()
            self.started.append(second.program.start())
            self.is_known_to_all(second)
        return second

    def end_second(self, client, how=Program.stop):
        """Ends the second instance, if there is one, and waits until nobody lists or calls it."""
        second = self.seconds.pop(client.service, None)
        if second is not None:
            how(second.program)
            self.is_known_to_nobody(second)

    def others(self, client):
        return [other for other in self.clients if other.service != client.service]

    def is_known_to_all(self, client):
        self.soon(f"{client.id} is listed", self.server.ids, lambda ids: client.id in ids)
        for other in self.others(client):
            sees = lambda: other.sees(client.service)
            self.soon(f"{other.service} sees {client.id}", sees, lambda ids: client.id in ids)

    def is_known_to_nobody(self, client):
        self.soon(f"{client.id} is gone from the list", self.server.ids, lambda ids: client.id not in ids)
        for other in self.others(client):
            sees = lambda: other.sees(client.service)
            self.soon(f"{other.service} has lost sight of {client.id}", sees, lambda ids: client.id not in ids)

    def soon(self, fact, look, until):
        eventually(fact, look, until, within=self.server.patience)


class Repeated:
    """Does one thing again and again on a thread of its own until the block ends, and keeps what went wrong."""

    def __init__(self, what, *arguments):
        self.what, self.arguments = what, arguments
        self.done, self.wrong = 0, []
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)

    def run(self):
        while not self.ended.wait(0.02):  # a steady pace leaves the processors to those under test
            try:
                self.what(*self.arguments)
                self.done += 1
            except Exception as error:
                self.wrong.append(f"{type(error).__name__}: {error}")

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join()
