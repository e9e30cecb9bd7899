"""Real Eureka clients against Madang, or against the real server with MADANG_INTEROP_SERVER=eureka.

`cargo xtask interop eureka` installs what it needs and runs it; interop/README.md tells the rest.
"""

import atexit
import signal
import sys
import tempfile
import time
import unittest
from contextlib import ExitStack
from pathlib import Path

from prometheus import Prometheus
from stage import LEASE, LOGS, Program, Refused, Repeated, Stage, ask

stage = Stage()


def setUpModule():
    atexit.register(stage.close)
    stage.open()


class AnyClient:
    """What holds for every client. `client` is the one it is about."""

    def test_it_is_listed_with_what_it_said(self):
        listed = stage.server.listed()[self.client.id]
        self.assertEqual((listed["app"], listed["status"]), (self.client.service.upper(), "UP"))
        self.assertEqual((listed["ipAddr"], listed["hostName"]), ("127.0.0.1", "127.0.0.1"))
        self.assertEqual((listed["port"]["$"], listed["leaseInfo"]["durationInSecs"]), (self.client.port, LEASE))

    def test_it_keeps_a_short_lease_alive(self):
        registered, renewed = stage.server.lease(self.client)
        later = renewed + 2 * LEASE * 1000
        with Repeated(lambda: stage.server.listed()[self.client.id]) as looks:
            lease = lambda: stage.server.lease(self.client)
            stage.soon("it renews for two leases", lease, lambda lease: lease[1] >= later)
        self.assertEqual(looks.wrong[:3], [], "it is listed at every look")
        self.assertEqual(stage.server.lease(self.client)[0], registered, "it had no need to register again")

    def test_it_calls_the_others_by_name(self):
        for other in stage.others(self.client):
            seen = self.client.sees(other.service)
            self.assertIn(other.id, seen)
            self.assertIn(self.client.call(other.service), seen)

    def test_an_operator_takes_it_out_of_the_calls_of_others_and_back(self):
        second = stage.second(self.client)
        service = self.client.service
        stage.server.override(second, "OUT_OF_SERVICE")
        for other in stage.others(self.client):
            self.sees_only(other, {self.client.id})
            self.assertEqual({other.call(service) for _ in range(20)}, {self.client.id})
        self.assertEqual(stage.server.instance(second)["status"], "OUT_OF_SERVICE", "heartbeats change nothing")
        stage.server.end_override(second)
        for other in stage.others(self.client):
            self.sees_only(other, {self.client.id, second.id})
            stage.soon(f"{other.service} calls it again", lambda: other.call(service), lambda id: id == second.id)

    def sees_only(self, other, these):
        service = self.client.service
        stage.soon(f"{other.service} sees only {these}", lambda: other.sees(service), lambda ids: ids == these)

    def test_it_is_gone_from_the_list_when_it_has_stopped(self):
        second = stage.second(self.client)

        def stop_and_look(program):
            self.assertIn(program.stop(), (0, 143), "it ended in its own way; 143 is Java's for SIGTERM")
            if stage.server.exact:
                self.assertNotIn(second.id, stage.server.ids(), "the first look after its end")
            with self.assertRaisesRegex(Refused, "404"):
                stage.server.instance(second)

        stage.end_second(self.client, stop_and_look)

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

    def test_it_follows_all_changes_by_delta(self):
        if not stage.server.exact:
            self.skipTest("the real server keeps the whole list and its changes in two caches, which may differ")
        stage.second(stage.node)
        stage.end_second(stage.node)
        log = self.client.log()
        self.assertIn("Got delta update with apps hashcode", log)
        self.assertNotIn("Reconcile hashcodes do not match", log, "it would ask for the whole list then")


class DebianPrometheus(unittest.TestCase):
    def setUp(self):
        folder = self.enterContext(tempfile.TemporaryDirectory())
        self.prometheus = Prometheus(stage.server, Path(folder))
        self.addCleanup(self.prometheus.program.stop)
        self.prometheus.program.start()

    def test_it_scrapes_every_instance_and_forgets_one_that_stopped(self):
        second = stage.second(stage.node)
        everybody = {client.id: "up" for client in [*stage.clients, second]}
        stage.soon("all are up", self.prometheus.targets, lambda targets: everybody.items() <= targets.items())
        stage.end_second(stage.node)
        stage.soon("the stopped one is no target", self.prometheus.targets, lambda targets: second.id not in targets)
        del everybody[second.id]
        self.assertLessEqual(everybody.items(), self.prometheus.targets().items())


class KilledClient(unittest.TestCase):
    def test_one_that_dies_without_a_word_is_gone_when_its_lease_ends(self):
        stage.second(stage.node)
        stage.end_second(stage.node, Program.kill)


class KilledServer(unittest.TestCase):
    """The server is killed and starts again where it was."""

    def setUp(self):
        for client in stage.clients:
            stage.end_second(client)

    def test_calls_go_on_and_everybody_is_still_listed(self):
        with ExitStack() as running:
            looks = running.enter_context(Repeated(self.look))
            calls = [
                running.enter_context(Repeated(self.call, caller, other))
                for caller in stage.clients for other in stage.others(caller)
            ]
            stage.server.kill()
            self.outlast_every_lease(calls)
            stage.server.start()
            started = time.time() * 1000
            for client in stage.clients:
                # One lease more than now: the real server writes down when the next one ends.
                later = started + LEASE * 1000
                lease = lambda: stage.server.lease(client)
                stage.soon(f"{client.id} has renewed", lease, lambda lease: lease[1] > later)
                stage.is_known_to_all(client)
            self.calls_work(calls)

        # The real server has forgotten everybody: they are away, and calls fail, until all have registered again.
        if stage.server.exact:
            failed = [error for one in calls for error in one.wrong]
            self.assertEqual((failed[:3], looks.wrong[:3]), ([], []), "no call fails, and nobody vanishes at any look")
            self.assertGreater(looks.done, 100)

    def test_who_was_taken_out_of_service_stays_out(self):
        if not stage.server.exact:
            self.skipTest("the real server has forgotten what an operator said")
        second = stage.second(stage.node)
        stage.server.override(second, "OUT_OF_SERVICE")
        stage.server.kill()
        stage.server.start()
        self.assertEqual(stage.server.listed()[second.id]["status"], "OUT_OF_SERVICE", "the first look")
        stage.server.end_override(second)
        stage.is_known_to_all(second)

    def look(self):
        try:
            listed = stage.server.listed()
        except OSError:
            return  # nobody answers: not a look
        self.assertEqual({client.id for client in stage.clients} - listed.keys(), set(), "is not listed")

    def call(self, caller, other):
        self.assertEqual(caller.call(other.service), other.id)

    def outlast_every_lease(self, calls):
        end = time.monotonic() + LEASE + 1
        self.calls_work(calls)
        stage.soon("every lease has ended", time.monotonic, lambda now: now > end)

    def calls_work(self, calls):
        """Each caller has had some more answers from each of the others."""
        enough = [one.done + 20 for one in calls]
        counts = lambda: [one.done for one in calls]
        stage.soon(f"calls reach {enough}", counts, lambda now: all(have >= want for have, want in zip(now, enough)))


def main():
    """Runs what is named, or all, and closes with cargo's line, which is counted."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends the run and what it started
    started = time.monotonic()
    result = unittest.main(verbosity=2, exit=False).result
    failed = len(result.failures) + len(result.errors) + len(result.unexpectedSuccesses)
    skipped = len(result.skipped)
    if failed:
        for log in sorted(LOGS.iterdir()):
            print(f"\n-- last lines of {log}")
            print("\n".join(log.read_text(errors="replace").splitlines()[-30:]))
    sys.stderr.flush()
    passed, time_s = max(0, result.testsRun - failed - skipped), time.monotonic() - started
    print(f"\ntest result: {'FAILED' if failed else 'ok'}. "
          f"{passed} passed; {failed} failed; {skipped} ignored; finished in {time_s:.1f}s")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
