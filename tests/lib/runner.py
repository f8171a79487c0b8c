"""Finds the tests, hands them to workers, prints what happened. `tests/run --help` describes the command line.

A test is a function test_*() in tests/<suite>/*_test.py. Names are read without importing the file. The closing line
is `N passed, N failed, N skipped`, alone, and each skip is named with its reason before it.
"""
import argparse
import ast
import json
import os
import queue
import select
import shutil
import subprocess
import sys
import threading
import time
from xml.etree import ElementTree

from . import isolate

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
REPOSITORY = os.path.dirname(TESTS)
SUITE_ORDER = ("style", "unit", "golden", "integration", "conformance", "degraded", "vm", "security", "crash", "rootless")


def discover(suites):
    found = []
    for suite in sorted(os.listdir(TESTS), key=lambda s: (SUITE_ORDER.index(s) if s in SUITE_ORDER else 99, s)):
        folder = os.path.join(TESTS, suite)
        if not os.path.isdir(folder) or suite in ("lib",) or (suites and suite not in suites):
            continue
        for base, _, names in sorted(os.walk(folder)):
            for name in sorted(names):
                if name.endswith("_test.py"):
                    found += tests_in(suite, os.path.join(base, name))
    return found


def tests_in(suite, path):
    with open(path) as file:
        tree = ast.parse(file.read(), path)
    label = f"{suite}/{os.path.basename(path)[:-len('_test.py')]}"
    return [{"id": f"{label}.{node.name[len('test_'):]}", "path": path, "name": node.name}
            for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")]


def select_tests(tests, patterns):
    if not patterns:
        return tests
    return [test for test in tests if any(pattern in test["id"] for pattern in patterns)]


class Worker:
    """A worker process and its cgroups; replaced when a test takes it down."""
    count = 0

    def __init__(self, host):
        Worker.count += 1
        self.host = host
        name = f"hull-tests-{os.getpid()}-{Worker.count}"
        # The parent of all containers' groups stays, as /docker does: no test's leak, so it is there before the first.
        self.cgroups = isolate.make_cgroups("hull" if host else name)
        if not host:
            isolate.make_cgroups(f"{name}/hull")
        world = ["host"] if host else ["own", *self.cgroups]
        self.child = subprocess.Popen([sys.executable, "-m", "lib.worker", *world],
                                      cwd=TESTS, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
                                      start_new_session=True)
        if not self._answer(20).get("ready"):
            raise SystemExit("tests/run: a worker did not start (root is needed; see its message above)")

    def _answer(self, seconds):
        ready, _, _ = select.select([self.child.stdout], [], [], seconds)
        line = self.child.stdout.readline() if ready else ""
        return json.loads(line) if line else {}

    def run(self, test, seconds):
        self.child.stdin.write(json.dumps({**test, "timeout": seconds}) + "\n")
        answer = self._answer(max(seconds, 1200) + 30)
        return answer or {"verdict": "failed", "seconds": seconds, "log": "",
                          "text": "the worker died or hung in this test", "broken": True}

    def close(self):
        self.child.stdin.close()
        try:
            self.child.wait(2)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
        deadline = time.monotonic() + 2
        while any(map(os.path.isdir, self.cgroups)) and time.monotonic() < deadline:
            isolate.remove_cgroups(self.cgroups)
            time.sleep(0.01)


class Report:
    def __init__(self, total, verbose, json_path):
        self.total, self.verbose, self.json_path = total, verbose, json_path
        self.lock, self.done = threading.Lock(), []
        self.tty = sys.stdout.isatty()

    def add(self, test, answer):
        with self.lock:
            self.done.append({"id": test["id"], **answer})
            verdict = answer["verdict"]
            if verdict == "failed":
                self._clear()
                print(f"FAILED {test['id']} ({answer['seconds']:.1f} s)\n  " + answer["text"].replace("\n", "\n  "))
                if answer["log"]:
                    print("  --- what it ran:\n  | " + answer["log"].rstrip().replace("\n", "\n  | "))
            elif self.verbose:
                print(f"{verdict:7} {test['id']} ({answer['seconds'] * 1000:.0f} ms)"
                      + (f": {answer['text']}" if answer["text"] else ""))
            self._progress(test["id"])
            sys.stdout.flush()

    def _clear(self):
        if self.tty:
            print("\r\033[K", end="")

    def _progress(self, name):
        count = len(self.done)
        if self.tty and not self.verbose:
            print(f"\r\033[K[{count}/{self.total}] {name}", end="")
        elif not self.verbose and (count % 25 == 0 or count == self.total):
            print(f"[{count}/{self.total}] {name}")

    def finish(self, seconds, extra):
        self._clear()
        for entry in self.done:
            if entry["verdict"] == "skipped":
                print(f"skipped {entry['id']}: {entry['text']}")
        slow = sorted(self.done, key=lambda e: -e["seconds"])[:3]
        if slow and slow[0]["seconds"] > 2:
            print("slowest: " + ", ".join(f"{e['id']} {e['seconds']:.1f} s" for e in slow))
        count = {v: sum(e["verdict"] == v for e in self.done) + extra.get(v, 0) for v in ("passed", "failed", "skipped")}
        for line in extra.get("skips", []):
            print(f"skipped {line}")
        if self.json_path:
            with open(self.json_path, "w") as file:
                json.dump({"tests": self.done, "totals": count}, file)
        if count["failed"]:
            print(f"to run one again: HULL={os.environ['HULL']} tests/run -v PART-OF-ITS-NAME")
        print(f"{len(self.done)} tests in {seconds:.0f} s")
        print(f"{count['passed']} passed, {count['failed']} failed, {count['skipped']} skipped")
        return 1 if count["failed"] else 0


def run_all(tests, options, report):
    """Those of the host suite need the host's own namespaces, and run last and one by one."""
    on_host = [test for test in tests if options.host or test["id"].startswith("host/")]
    run_batch([test for test in tests if test not in on_host], False, options, report)
    run_batch(on_host, True, options, report)


def run_batch(tests, host, options, report):
    if not tests:
        return
    waiting = queue.Queue()
    for test in tests:
        waiting.put(test)

    def work():
        worker = Worker(host)
        while True:
            try:
                test = waiting.get_nowait()
            except queue.Empty:
                break
            answer = worker.run(test, options.timeout)
            report.add(test, answer)
            if answer.get("broken"):
                worker.child.kill()
                worker.close()
                worker = Worker(host)
        worker.close()

    threads = [threading.Thread(target=work) for _ in range(1 if host else min(options.jobs, len(tests)))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def gtest_totals(path):
    """Counts of a GoogleTest XML report, to be added to ours. (Its JSON does not tell why a test was skipped.)"""
    totals = {"passed": 0, "failed": 0, "skipped": 0, "skips": []}
    if not path:
        return totals
    if not os.path.exists(path):
        return {**totals, "failed": 1}
    for case in ElementTree.parse(path).iter("testcase"):
        name = f"unit/{case.get('classname')}.{case.get('name')}"
        skipped = case.find("skipped")
        if skipped is not None:
            totals["skipped"] += 1
            reason = (skipped.get("message") or "").strip().splitlines()
            totals["skips"].append(f"{name}: {reason[-1] if reason else 'without a reason'}")
        elif case.find("failure") is not None:
            totals["failed"] += 1
        else:
            totals["passed"] += 1
    return totals


def parse(argv):
    parser = argparse.ArgumentParser(prog="tests/run", description="Run hull's tests outside the unit tests.")
    parser.add_argument("patterns", nargs="*", help="run tests whose id (suite/file.name) contains one of these")
    parser.add_argument("--suite", action="append", default=[], help="only this folder of tests/")
    parser.add_argument("--jobs", "-j", type=int, default=min(2, os.cpu_count() or 1))
    slow = 5 if "/asan/" in os.environ.get("HULL", "") else 1  # AddressSanitizer
    parser.add_argument("--timeout", type=int, default=60 * slow, help="seconds per test (a test may set test_x.timeout)")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--verbose", "-v", action="store_true")
    parser.add_argument("--host", action="store_true", help="no private world: run in the host's namespaces")
    parser.add_argument("--json", help="also write the results here")
    parser.add_argument("--unit-report", help="add the counts of this GoogleTest JSON report to the closing line")
    return parser.parse_args(argv)


def main(argv):
    options = parse(argv)
    tests = select_tests(discover(options.suite), options.patterns)
    if options.list:
        print("\n".join(test["id"] for test in tests))
        return 0
    if os.geteuid() != 0:
        sys.exit("tests/run: root is needed (the tests make namespaces, mounts and cgroups of their own)")
    os.environ.setdefault("HULL", f"{REPOSITORY}/build/release/hull")
    if not tests and not options.unit_report:
        sys.exit("tests/run: no test matches; `tests/run --list` shows them all")
    started = time.monotonic()
    report = Report(len(tests), options.verbose, options.json)
    if tests:
        run_all(tests, options, report)
    return report.finish(time.monotonic() - started, gtest_totals(options.unit_report))
