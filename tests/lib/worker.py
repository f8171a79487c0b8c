"""One test worker: enters its private world, then runs the tests it is told to, one JSON line in, one JSON line out.

Started by lib/runner.py as `python3 -m lib.worker`. Each test runs between two snapshots of the leak ledger; whatever it
leaves is reported as its failure and then swept away, so that the next test starts clean.
"""
import importlib.util
import io
import json
import os
import shutil
import signal
import sys
import time
import traceback

from . import hull as api
from . import isolate, ledger

WORLD = "/tmp/hull-tests"


class Timeout(Exception):
    pass


def load(path):
    name = "suite_" + path.replace("/", "_")[:-3].replace(".", "_")
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, path)
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]


def on_alarm(_number, _frame):
    raise Timeout()


def judge(call):
    """Run one test: ('passed'|'failed'|'skipped', text)."""
    try:
        call()
        return "passed", ""
    except api.Skip as reason:
        return "skipped", str(reason)
    except Timeout:
        return "failed", "the test did not end in its time\n" + traceback.format_exc(limit=-6)
    except api.Failure as failure:
        where = traceback.extract_tb(failure.__traceback__)
        line = next((f for f in reversed(where) if f.filename.endswith("_test.py")), where[-1])
        return "failed", f"{os.path.basename(line.filename)}:{line.lineno}: {failure}"
    except BaseException:
        return "failed", traceback.format_exc()


def sweep(before, isolated):
    """Remove what a failed test left, as far as possible."""
    for _ in range(20):
        left = [key for key in ledger.processes(isolated) if key not in before]
        if not left:
            break
        for key in left:
            try:
                os.kill(int(key.split()[1]), signal.SIGKILL)
            except ProcessLookupError:
                pass
        time.sleep(0.02)
    for _ in range(5):
        extra = [key.rsplit(" on ", 1)[1] for key, n in ledger.mounts().items() if n > before.get(key, 0)]
        for target in reversed(extra):
            try:
                isolate.umount(target.replace("\\040", " "))
            except OSError:
                pass
    isolate.remove_cgroups(sorted((key.split(" ", 1)[1] for key in ledger.cgroups(isolated) if key not in before),
                                  reverse=True))


def run_test(path, name, seconds, isolated, number):
    module = load(path)
    directory = f"{WORLD}/{os.getpid()}-{number}"
    os.makedirs(directory, mode=0o711)
    output, real = io.StringIO(), sys.stdout
    started = time.monotonic()
    before = ledger.snapshot(isolated, (directory,))
    signal.alarm(int(getattr(getattr(module, name), "timeout", seconds)))
    sys.stdout = output
    try:
        api._begin(directory)
        verdict, text = judge(getattr(module, name))
    finally:
        signal.alarm(0)
        sys.stdout = real
    leaks = state_left(directory) + ledger.compare(before, isolated, (directory,), 2.0)
    if leaks and verdict != "skipped":
        text = (text + "\n" if text else "") + "leak ledger differs:\n  " + "\n  ".join(leaks[:40])
        verdict = "failed"
    if leaks:
        sweep(before, isolated)
    shutil.rmtree(directory, ignore_errors=True)
    return {"verdict": verdict, "text": text, "seconds": time.monotonic() - started,
            "log": output.getvalue()[-20000:] if verdict == "failed" else ""}


def state_left(directory):
    """Container records and runtime objects that the test did not remove. Lock files and empty folders may stay."""
    lines = []
    records = f"{directory}/root/containers"
    if os.path.isdir(records):
        lines += [f"left behind: container record {name}" for name in os.listdir(records)]
    for folder, _, names in os.walk(f"{directory}/run"):
        lines += [f"left behind: runtime file {os.path.relpath(os.path.join(folder, name), directory)}"
                  for name in names if not name.endswith("lock")]
    return sorted(lines)


def serve(isolated):
    signal.signal(signal.SIGALRM, on_alarm)
    os.makedirs(WORLD, exist_ok=True)
    os.chmod(WORLD, 0o711)
    print(json.dumps({"ready": True}), flush=True)
    for number, line in enumerate(sys.stdin):
        order = json.loads(line)
        try:
            answer = run_test(order["path"], order["name"], order["timeout"], isolated, number)
        except BaseException:
            answer = {"verdict": "failed", "text": traceback.format_exc(), "seconds": 0, "log": ""}
        print(json.dumps(answer), flush=True)


def main():
    isolated = sys.argv[1] != "host"
    if not isolated:
        isolate.prctl(isolate.PR_SET_CHILD_SUBREAPER, 1)
        return serve(False)
    isolate.die_with_parent()
    isolate.set_signals(ignored=False, numbers=(32, 33))  # Python has its own wishes for the rest
    isolate.enter_world(sys.argv[2:], api.REPOSITORY)
    isolate.unshare(isolate.CLONE_NEWPID)
    child = os.fork()
    if child:
        sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    isolate.die_with_parent()
    isolate.mount_proc()
    serve(True)


if __name__ == "__main__":
    main()
