"""Real Eureka clients against Madang, or against the real server with MADANG_INTEROP_SERVER=eureka.

`cargo xtask interop eureka` installs what it needs and runs it; interop/README.md tells the rest.
"""

import os
import signal
import sys
import tempfile
import threading
import time
import unittest
from contextlib import ExitStack
from pathlib import Path

from prometheus import Prometheus
from stage import LEASE, LOGS, Refused, Repeated, Stage, ask

stage = Stage()


def setUpModule():
    unittest.addModuleCleanup(stage.close)
    stage.open()


class AnyClient:
    """What holds for every client. `client` is the one it is about."""

    def test_it_is_listed_with_what_it_said(self):
        listed = stage.server.listed()[self.client.id]
        self.assertEqual((listed["app"], listed["status"]), (self.client.service.upper(), "UP"))
        self.assertEqual((listed["ipAddr"], listed["hostName"], listed["port"]["$"]), ("127.0.0.1", "127.0.0.1", self.client.port))
        self.assertEqual(listed["leaseInfo"]["durationInSecs"], LEASE)

    def test_it_keeps_a_short_lease_alive(self):
        def renewed():
            return stage.server.instance(self.client)["leaseInfo"]["lastRenewalTimestamp"]

        two_leases_later = renewed() + 2 * LEASE * 1000
        with Repeated(lambda: stage.server.listed()[self.client.id]) as looks:
            stage.soon("two leases have passed", lambda: renewed() >= two_leases_later)
        self.assertEqual(looks.wrong, [])

    def test_it_sees_the_others(self):
        for other in stage.others(self.client):
            stage.soon(f"it sees {other.id}", lambda: other.id in self.client.sees(other.service))

    def test_it_calls_the_others_by_name(self):
        for other in stage.others(self.client):
            self.assertIn(self.client.call(other.service), {other.id, stage.second(other).id} if other.service in stage.seconds else {other.id})

    def test_an_operator_takes_it_out_of_the_calls_of_others_and_back(self):
        second = stage.second(self.client)
        service, both = self.client.service, {self.client.id, second.id}
        stage.server.override(second, "OUT_OF_SERVICE")
        for other in stage.others(self.client):
            stage.soon(f"{other.service} has lost sight of it", lambda: other.sees(service) == {self.client.id})
            self.assertEqual({other.call(service) for _ in range(20)}, {self.client.id})
        self.assertEqual(stage.server.instance(second)["status"], "OUT_OF_SERVICE", "its heartbeats change nothing")
        stage.server.end_override(second)
        for other in stage.others(self.client):
            stage.soon(f"{other.service} sees it again", lambda: other.sees(service) == both)
            stage.soon(f"{other.service} calls it again", lambda: other.call(service) == second.id)

    def test_it_is_gone_from_the_list_when_it_has_stopped(self):
        second = stage.second(self.client)
        self.assertIn(second.program.stop(), (0, 143), "it ended in its own way; 143 is Java's for SIGTERM")
        if stage.server.exact:
            self.assertNotIn(second.id, stage.server.listed(), "the first look after its end")
        with self.assertRaisesRegex(Refused, "404"):
            stage.server.instance(second)
        stage.soon("it is gone from the list", lambda: second.id not in stage.server.listed())
        for other in stage.others(self.client):
            stage.soon(f"{other.service} has lost sight of it", lambda: second.id not in other.sees(self.client.service))

    def test_it_is_reached_through_the_gateway(self):
        if not stage.server.exact:
            self.skipTest("the real server has no gateway")
        answer = ask(f"{stage.server.egress}/{self.client.service}/hello")
        self.assertIn(f":{self.client.service}:", answer["from"])


class PyEurekaClient(AnyClient, unittest.TestCase):
    client = stage.python


class EurekaJsClient(AnyClient, unittest.TestCase):
    client = stage.node


class SpringCloud(AnyClient, unittest.TestCase):
    client = stage.java


class DebianPrometheus(unittest.TestCase):
    def setUp(self):
        folder = self.enterContext(tempfile.TemporaryDirectory())
        self.prometheus = Prometheus(stage.server, Path(folder))
        self.addCleanup(self.prometheus.program.stop)
        self.prometheus.program.start()

    def test_it_scrapes_every_instance_and_forgets_one_that_stopped(self):
        second = stage.second(stage.node)
        everybody = {client.id: "up" for client in [*stage.clients, second]}
        stage.soon("all are targets and up", lambda: everybody.items() <= self.prometheus.targets().items())
        second.program.stop()
        stage.soon("the stopped one is no target", lambda: second.id not in self.prometheus.targets())
        del everybody[second.id]
        self.assertLessEqual(everybody.items(), self.prometheus.targets().items())


class KilledServer(unittest.TestCase):
    """The server is killed, stays away for longer than every lease, and starts again where it was."""

    def setUp(self):
        # Others than those three would be in the way: who stops in the middle is missed rightly.
        for second in stage.seconds.values():
            second.program.stop()
            stage.soon("the second is gone", lambda: second.id not in stage.server.listed())
            for other in stage.others(second):
                stage.soon("nobody calls the second", lambda: second.id not in other.sees(second.service))

    def test_calls_go_on_and_everybody_is_back(self):
        everybody = {client.id for client in stage.clients}
        missing = []

        def look():
            try:
                listed = stage.server.listed()
            except OSError:
                return  # nobody there: not a look
            if not everybody <= listed.keys():
                missing.append(everybody - listed.keys())

        def call(caller, callee):
            self.assertEqual(caller.call(callee.service), callee.id)

        with ExitStack() as running:
            looks = running.enter_context(Repeated(look))
            calls = [
                running.enter_context(Repeated(call, caller, callee))
                for caller in stage.clients for callee in stage.others(caller)
            ]

            def calls_of_a_lease():
                until, counts = time.monotonic() + LEASE + 1, [one.done for one in calls]
                if stage.server.exact:
                    stage.soon("calls go on", lambda: time.monotonic() > until and all(
                        one.done > count + 50 for one, count in zip(calls, counts)))

            stage.server.kill_and_start_again(meanwhile=calls_of_a_lease)
            started = time.time() * 1000
            for client in stage.clients:
                stage.soon(f"{client.service} has renewed", lambda: stage.server.instance(client)["leaseInfo"]["lastRenewalTimestamp"] > started + LEASE * 1000)
                stage.is_known_to_all(client)
            counts = [one.done for one in calls]
            stage.soon("calls work", lambda: all(one.done > count + 50 for one, count in zip(calls, counts)))

        if not stage.server.exact:
            return  # The real server forgets everybody: calls fail until all have registered again.
        self.assertEqual([one.wrong for one in calls if one.wrong], [], "no call fails")
        self.assertEqual((missing, looks.wrong), ([], []), "nobody vanishes from the list at any look")
        self.assertGreater(looks.done, 100)


def main():
    """Runs what is named, or all, and closes with cargo's line, which is counted."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    started = time.monotonic()
    result = unittest.main(verbosity=2, exit=False).result
    failed = len(result.failures) + len(result.errors) + len(result.unexpectedSuccesses)
    skipped = len(result.skipped)
    if failed:
        for log in sorted(LOGS.iterdir()):
            print(f"\n-- last lines of {log}")
            print("\n".join(log.read_text(errors="replace").splitlines()[-30:]))
    sys.stderr.flush()
    print(f"\ntest result: {'FAILED' if failed else 'ok'}. {result.testsRun - failed - skipped} passed; {failed} failed; "
          f"{skipped} ignored; finished in {time.monotonic() - started:.1f}s")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
