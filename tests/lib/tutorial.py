"""The tutorial, line by line, with the claim that each line makes. tools/demo tells it on the host; the integration
test runs it in a private world, by hull's own name and through links named docker, unshare, nsenter and lsns.
"""
import os
import pty
import re
import select
import shlex
import signal
import subprocess
import time


class Line:
    """One command of the tutorial: its text exactly as documented, what it shows, how that is checked."""

    def __init__(self, text, claim, check, mode="plain"):
        self.text, self.claim, self.check, self.mode = text, claim, check, mode


class Result:
    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err

    @property
    def lines(self):
        return [line for line in self.out.replace("\r", "").splitlines() if line.strip()]


def ok(result):
    return result.code == 0 or f"exit code {result.code}: {result.err.strip()[-200:]}"


def both(*parts):
    for part in parts:
        if part is not True and part:
            return part
        if not part:
            return "no"
    return True


# --- checks: each gets (story, result), returns True or what is wrong ---------------------------------------------------

def ps_is_alone(story, result):
    rows = result.lines[1:]
    return both(ok(result), len(rows) <= 2 or f"{len(rows)} processes are visible", bool(rows) or "ps printed no process",
                all(re.search(r"\b(ps|bash)$", row) for row in rows) or f"others are visible: {rows}",
                rows[0].split()[0] == "1" or "the first process is not number 1")


def an_id_is_printed(story, result):
    return both(ok(result), bool(re.fullmatch(r"[0-9a-f]{64}\n", result.out)) or f"no 64-hex id: {result.out!r}")


def pids_are_found(story, result):
    if ok(result) is not True:
        return ok(result)
    for name in ("DBPID", "WEBPID"):
        if not story.variables.get(name, "").isdigit():
            return f"{name} is {story.variables.get(name)!r}"
    web = story.inspect("web", "{{.State.Pid}}")
    if not same_namespace(story.variables["WEBPID"], web, "pid"):  # another nginx runs on this machine
        story.note(f"process {story.variables['WEBPID']} is another nginx of this machine; web's is {web}")
        story.variables["WEBPID"] = web
    return True


def same_namespace(one, other, kind):
    try:
        return os.readlink(f"/proc/{one}/ns/{kind}") == os.readlink(f"/proc/{other}/ns/{kind}")
    except OSError:
        return False


def eight_namespaces_are_listed(story, result):
    missing = [kind for kind in ("cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts")
               if f"{kind} -> " not in result.out]
    return both(ok(result), not missing or f"not listed: {missing}")


def only_redis_is_seen(story, result):
    rows = result.lines[1:]
    return both(ok(result), any("redis" in row for row in rows) or f"redis is not seen: {rows}",
                len(rows) <= 4 or f"{len(rows)} processes are seen; the container has two")


def cgroup_names_web(story, result):
    return both(ok(result), story.inspect("web", "{{.Id}}") in result.out or f"web's id is not in {result.out!r}")


def net_is_the_one_of_db(story, result):
    mine = re.search(r"net:\[\d+\]", result.out)
    return both(ok(result), bool(mine) or "no net link",
                mine and mine.group(0) == os.readlink(f"/proc/{story.variables['DBPID']}/ns/net") or "db's inode differs")


def diff_names_all_eight(story, result):
    rows = {row.split()[0].lower(): row for row in result.lines if row.split()}
    missing = [kind for kind in ("mnt", "uts", "ipc", "net", "pid", "user", "cgroup", "time") if kind not in rows]
    if missing:
        return f"kinds without a row: {missing} in {result.out!r}"
    same = lambda kind: re.search(r"\b(same|shared|one|=)\b|=", rows[kind]) and not re.search(r"differ|≠", rows[kind])
    return both(bool(same("net")) or f"net is not said to be shared: {rows['net']}",
                not same("pid") or f"pid is said to be shared: {rows['pid']}",
                not same("mnt") or f"mnt is said to be shared: {rows['mnt']}")


def owners_are_containers(story, result):
    return both(ok(result), bool(re.search(r"\bdb\b", result.out)) or "db is not named",
                bool(re.search(r"\bweb\b", result.out)) or "web is not named")


def show_tells_content(story, result):
    return both(ok(result), "6379" in result.out or "redis's listener on 6379 is not shown",
                "redis" in result.out or "redis's process is not shown")


def nginx_answers(story, result):
    return both(ok(result), "nginx" in result.out.lower() and "<html" in result.out.lower()
                or f"no page from nginx: {result.out[:200]!r} {result.err[:200]!r}")


def shell_in_db(story, result):
    return both(ok(result), "pid 1 is redis-server" in result.out or f"the shell said {result.out[-300:]!r}")


def log_has_the_request(story, result):
    return "GET / " in result.out or f"curl's request is not in the log: {result.out[-300:]!r}"


def both_are_up(story, result):
    header = re.split(r"\s{2,}", result.lines[0].strip()) if result.lines else []
    return both(ok(result), header == ["CONTAINER ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "PORTS", "NAMES"]
                or f"columns {header}", all(re.search(rf"Up .*\b{name}$", result.out, re.M) for name in ("db", "web"))
                or f"not both are up: {result.out!r}")


def web_is_stopped(story, result):
    status = story.inspect("web", "{{.State.Status}}")
    return both(ok(result), result.out == "web\n" or f"printed {result.out!r}", status == "exited" or f"status {status}",
                story.inspect("db", "{{.State.Status}}") == "running" or "db does not run on")


def both_are_gone(story, result):
    return both(ok(result), sorted(result.lines) == ["db", "web"] or f"printed {result.out!r}",
                story.run("hull ps -aq").out == "" or "containers are still listed")


LINES = (
    Line("hull unshare --fork --pid --mount-proc bash -c ps", "ps is alone on its system", ps_is_alone),
    Line("hull run -d --name=db redis", "a container runs, its id is printed", an_id_is_printed),
    Line("hull run -d --name=web --net=container:db nginx:alpine", "a second one shares its network", an_id_is_printed),
    Line("DBPID=$(hull inspect -f '{{.State.Pid}}' db); WEBPID=$(pgrep nginx | tail -n1)", "both have processes",
         pids_are_found, "pgrep"),
    Line("ls -lha /proc/$DBPID/ns/", "db has all eight kinds", eight_namespaces_are_listed),
    Line("hull nsenter --target $DBPID --mount --uts --ipc --net --pid ps aux", "inside, only redis is seen",
         only_redis_is_seen),
    Line("cat /proc/$WEBPID/cgroup", "web's cgroup bears its id", cgroup_names_web),
    Line("ls -lha /proc/$WEBPID/ns/ | grep net", "the same inode as db's", net_is_the_one_of_db),
    Line("hull ns diff db web", "net is one; pid and mnt are two", diff_names_all_eight),
    Line("hull ns ls", "owners are container names", owners_are_containers),
    Line("hull ns show db", "what is in db's namespaces", show_tells_content),
    Line("hull exec web curl -s localhost", "nginx answers inside the shared network", nginx_answers, "retry"),
    Line("hull exec -it db sh", "a shell on a terminal in db", shell_in_db, "terminal"),
    Line("hull logs -f web", "the log has curl's request, and is followed", log_has_the_request, "follow"),
    Line("hull ps", "both are up", both_are_up),
    Line("hull stop web", "web ends, db runs on", web_is_stopped),
    Line("hull rm -f web db", "nothing is listed any more", both_are_gone),
)

LINKED = {"unshare": "unshare", "nsenter": "nsenter", "lsns": "lsns"}
DOCKER = ("run", "inspect", "exec", "logs", "ps", "stop", "rm")


def through_links(text):
    """The same line with util-linux's and docker's names instead of hull's."""
    def replace(match):
        word = match.group(1)
        return LINKED.get(word) or (f"docker {word}" if word in DOCKER else match.group(0))
    return re.sub(r"\bhull (\w+)", replace, text)


class Story:
    """Runs lines in one environment, keeping DBPID and WEBPID between them as a shell would."""

    def __init__(self, env, note=print):
        self.env, self.note, self.variables = env, note, {}

    def _script(self, text, keep=None):
        assignments = "".join(f"{name}={shlex.quote(value)}\n" for name, value in self.variables.items())
        tail = f'\nstatus=$?\nprintf "DBPID=%s\\nWEBPID=%s\\n" "$DBPID" "$WEBPID" >{keep}\nexit $status' if keep else ""
        return ["bash", "-c", assignments + text + tail]

    def run(self, text, timeout=30):
        keep = f"{self.env['HULL_RUN']}.variables"
        os.makedirs(os.path.dirname(keep), exist_ok=True)
        done = subprocess.run(self._script(text, keep), env=self.env, stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, errors="replace", timeout=timeout)
        if os.path.exists(keep):
            with open(keep) as file:
                self.variables.update(line.rstrip("\n").split("=", 1) for line in file if not line.endswith("=\n"))
            os.unlink(keep)
        return Result(done.returncode, done.stdout, done.stderr)

    def inspect(self, name, template):
        return self.run(f"hull inspect -f '{template}' {name}").out.strip()

    def tell(self, line, text=None):
        """Run one line: (Result, True or what is wrong)."""
        text = text or line.text
        deadline = time.monotonic() + (10 if line.mode in ("retry", "pgrep") else 0)
        while True:
            result = {"terminal": self._terminal, "follow": self._follow}.get(line.mode, self.run)(text)
            verdict = line.check(self, result)
            if verdict is True or time.monotonic() > deadline:
                return result, verdict
            time.sleep(0.1)  # the server inside is still starting

    def _terminal(self, text):
        pid, master = pty.fork()
        if pid == 0:
            os.execvpe("bash", self._script(text), self.env)
        time.sleep(0.2)
        os.write(master, b"echo pid 1 is $(cat /proc/1/comm)\nexit\n")
        out = self._read_all(master, 10)
        os.close(master)
        return Result(os.waitstatus_to_exitcode(self._end(pid)), out, "")

    @staticmethod
    def _read_all(fd, seconds, until=None):
        out, deadline = "", time.monotonic() + seconds
        while time.monotonic() < deadline and not (until and until in out):
            if not select.select([fd], [], [], 0.1)[0]:
                continue
            try:
                data = os.read(fd, 65536)
            except OSError:
                break
            if not data:
                break
            out += data.decode(errors="replace")
        return out

    @staticmethod
    def _end(pid):
        for _ in range(100):
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                return status
            time.sleep(0.05)
        os.kill(pid, signal.SIGKILL)
        return os.waitpid(pid, 0)[1]

    def _follow(self, text):
        """A command that does not end by itself: read until the expected text, then interrupt it."""
        child = subprocess.Popen(["bash", "-c", "exec " + text], env=self.env, stdin=subprocess.DEVNULL,
                                 stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
        out = self._read_all(child.stdout.fileno(), 5, "GET / ")
        ended = child.poll() is not None
        os.killpg(child.pid, signal.SIGINT)
        try:
            child.wait(3)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        child.stdout.close()
        return Result(1 if ended else 0, out, "")
