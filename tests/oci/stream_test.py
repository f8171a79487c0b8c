"""A foreground run or exec with a terminal: whatever its streams do, nothing is lost, nothing waits for ever, signals are heard."""
import fcntl
import os
import signal
import subprocess
import time

from lib import ledger
from lib.bundle import bundle, command, container, oci, state
from lib.hull import background, check, contains, environment, equal, eventually, run, scratch

TTY = {"process": {"terminal": True}}
LINES = "".join(f"{number}\n" for number in range(1, 40001))


def tty_bundle(script):
    return bundle(TTY, {"process": {"args": ["/bin/sh", "-c", script]}})


def test_more_input_than_a_program_reads_holds_nothing_up():
    oci("run", "-b", tty_bundle("sleep 1; exit 5"), "x", input=LINES, timeout=20).exits(5)
    oci("run", "-b", tty_bundle("exit 6"), "x", input=LINES, timeout=20).exits(6)
    with container() as name:
        oci("exec", "-t", name, "/bin/sh", "-c", "sleep 1; exit 7", input=LINES, timeout=20).exits(7)
    equal(oci("list", "-q").ok().out, "")


def test_much_input_comes_through_a_terminal():
    with container() as name:
        result = oci("exec", "-t", name, "/bin/sh", "-c", "stty -echo; echo ready; cat | tail -n1", input=LINES + "\x04", timeout=30)
        contains(result.ok().out, "40000")


def test_a_signal_is_heard_while_nobody_reads_what_was_typed():
    with container() as name:
        with subprocess.Popen(["yes"], stdout=subprocess.PIPE) as typing:
            try:
                with open(os.devnull, "w") as null:
                    child = subprocess.Popen([*command(), "exec", "-t", name, "/bin/sleep", "600"], stdin=typing.stdout, stdout=null, stderr=null, env=environment())
                ledger.KNOWN_CHILDREN.update((child.pid, typing.pid))
                time.sleep(0.5)
                child.send_signal(signal.SIGTERM)
                equal(child.wait(10), 143)
            finally:
                typing.kill()
                typing.wait()
                child.kill()
                child.wait()
                ledger.KNOWN_CHILDREN.difference_update((child.pid, typing.pid))


def test_a_slow_reader_gets_all_of_it_also_where_writing_does_not_wait():
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETFL, fcntl.fcntl(writer, fcntl.F_GETFL) | os.O_NONBLOCK)
    child = subprocess.Popen([*command(), "run", "-b", tty_bundle("seq 1 50000; exit 7"), "x"], stdin=subprocess.DEVNULL, stdout=writer,
                             stderr=subprocess.PIPE, env=environment())
    ledger.KNOWN_CHILDREN.add(child.pid)
    os.close(writer)
    try:
        time.sleep(0.5)
        with os.fdopen(reader) as file:
            lines = file.read().split()
        equal(child.wait(10), 7)
        equal((len(lines), lines[-1]), (50000, "50000"))
        equal(child.stderr.read(), b"")
    finally:
        child.kill()
        child.wait()
        child.stderr.close()
        ledger.KNOWN_CHILDREN.discard(child.pid)


def test_a_configuration_and_a_process_may_come_through_a_pipe():
    path = bundle({"process": {"args": ["/bin/echo", "from a pipe"]}})
    words = " ".join(command())
    run_words = f"cat {path}/config.json | {words} run -b {path} --config /dev/stdin x"
    run("sh", "-c", run_words).ok().out_is("from a pipe\n")
    process = scratch("process.json")
    with open(process, "w") as file:
        file.write('{"user": {"uid": 0, "gid": 0}, "cwd": "/", "args": ["/bin/echo", "so is this"]}')
    with container() as name:
        run("sh", "-c", f"cat {process} | {words} exec --process /dev/stdin {name}").ok().out_is("so is this\n")


def test_sockets_for_another_process_are_not_passed_on():
    path = bundle({"process": {"args": ["/bin/sh", "-c", "echo ${LISTEN_FDS:-none}"]}})
    oci("run", "-b", path, "x", env={"LISTEN_FDS": "1", "LISTEN_PID": "4711"}).ok().out_is("none\n")
    oci("run", "-b", path, "x", env={"LISTEN_FDS": "1", "LISTEN_PID": "1"}).ok().out_is("none\n")  # and nothing is open there


def test_the_caller_s_status_is_creating_until_create_is_done():
    go = scratch("go")
    hook = {"path": "/bin/sh", "args": ["sh", "-c", f"while [ ! -e {go} ]; do sleep 0.05; done; exit 9"], "env": ["PATH=/bin:/usr/bin"]}
    path = bundle({"hooks": {"createRuntime": [hook]}})
    with background(*command(), "create", "-b", path, "c") as creating:
        eventually(lambda: oci("state", "c").code == 0 and state("c")["pid"] > 0)
        equal(state("c")["status"], "creating")
        oci("start", "c").fails(1, "cannot start a container in the creating state")
        oci("exec", "c", "/bin/true").fails(255, "being created")
        oci("delete", "c").fails(1, "not stopped: creating")
        check(creating.poll() is None, "create goes on")
        with open(go, "w"):
            pass
        equal(creating.wait(10), 1)
    oci("state", "c").fails(1, "does not exist")


def test_a_start_that_fails_leaves_the_container_as_it_was():
    with container(start=False) as name:
        home = f"{scratch('oci-state')}/{name}"
        oci("pause", name).ok()
        oci("start", name).fails(1, "in the paused state")
        oci("resume", name).ok()
        equal(state(name)["status"], "created")
        with open(f"{home}/notify", "w"):
            pass
        oci("start", name, env={"NOTIFY_SOCKET": "/nowhere"}).fails(1, "NOTIFY_SOCKET /nowhere")
        equal(state(name)["status"], "created")
        oci("start", name).ok()
        equal(state(name)["status"], "running")
        oci("start", name).fails(1, "already running")


def test_a_start_killed_between_its_word_and_the_rest():
    """The fifo is there and nobody reads it any more: it runs."""
    with container() as name:
        os.mkfifo(f"{scratch('oci-state')}/{name}/start.fifo")
        equal(state(name)["status"], "running")
        oci("start", name).fails(1, "already running")


def test_a_program_may_close_its_terminal_and_open_it_again():
    closing = "T=$(tty); exec 0<&- 1>&- 2>&-; sleep 0.3; echo late >$T; exit 7"
    result = oci("run", "-b", tty_bundle(closing), "x")
    contains(result.exits(7).out, "late")
    with container() as name:
        oci("exec", "-t", name, "/bin/sh", "-c", closing).exits(7).out_matches("late")
        oci("exec", "-t", name, "/bin/sh", "-c", "exec 0<&- 1>&- 2>&-; sleep 0.3; exit 8").exits(8)


def test_output_that_nobody_takes_loses_no_exit_code():
    words = " ".join(command())
    with container() as name:
        for sink, warning in (("| true", ""), (">/dev/full", "No space left on device; the rest of the output is lost")):
            shell = f"set -o pipefail; {words} exec -t {name} /bin/sh -c 'sleep 0.2; echo out; echo more; exit 7' </dev/null {sink}"
            contains(run("bash", "-c", shell).exits(7).err, warning)
    run("bash", "-c", f"{words} run -b {tty_bundle('echo out; sleep 0.3; exit 6')} x </dev/null >/dev/full").exits(6)


def test_a_signal_after_the_end_gives_the_waiting_output_up():
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)  # so that part of the output waits in it, and the rest in hull and the terminal
    with container() as name:
        child = subprocess.Popen([*command(), "exec", "-t", name, "/bin/sh", "-c", "seq 1 2000; exit 7"], stdin=subprocess.DEVNULL, stdout=writer, env=environment())
        ledger.KNOWN_CHILDREN.add(child.pid)
        try:
            eventually(lambda: oci("ps", "-f", "json", name).out.count(",") == 0)
            time.sleep(0.3)
            check(child.poll() is None, "it waits for the reader")
            child.send_signal(signal.SIGTERM)
            equal(child.wait(10), 7)
        finally:
            child.kill()
            child.wait()
            os.close(reader)
            os.close(writer)
            ledger.KNOWN_CHILDREN.discard(child.pid)


def test_a_paused_container_takes_an_exec_once_it_goes_on():
    with container() as name:
        oci("pause", name).ok()
        with background(*command(), "exec", "--ignore-paused", name, "/bin/sh", "-c", "exit 7") as waiting:
            time.sleep(0.2)
            check(waiting.poll() is None, "it waits")
            oci("resume", name).ok()
            equal(waiting.wait(10), 7)
        oci("pause", name).ok()
        with background(*command(), "exec", "--ignore-paused", name, "/bin/true") as waiting:
            time.sleep(0.2)
            waiting.terminate()
            equal(waiting.wait(10), -signal.SIGTERM)
        oci("resume", name).ok()
