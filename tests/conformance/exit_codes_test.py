"""Exit codes that scripts act on: the same words to docker and to hull, in one run."""
from lib.dockerd import docker, dockerd
from lib.hull import Failure, hull, log

RUN = ("run", "--rm", "--network=none")
# Not here, for they differ: a network of a container that is yet to come (hull makes it now), a device that is missing (docker
# says 127, as the host's file were the program), exec of a missing program (docker before 23 says 126; hull, as since, 127).
ROWS = (
    ((*RUN, "busybox", "true"), 0),
    ((*RUN, "busybox", "false"), 1),
    ((*RUN, "busybox", "sh", "-c", "exit 42"), 42),
    ((*RUN, "busybox", "sh", "-c", "exit 255"), 255),
    ((*RUN, "busybox", "sh", "-c", "exit 125"), 125),
    ((*RUN, "--init", "busybox", "sh", "-c", "kill -9 $$"), 137),
    ((*RUN, "--init", "busybox", "sh", "-c", "kill -TERM $$"), 143),
    ((*RUN, "--init", "busybox", "sh", "-c", "kill -SEGV $$"), 139),
    ((*RUN, "--init", "busybox", "sh", "-c", "kill -INT $$"), 130),
    ((*RUN, "busybox", "nosuchprogram"), 127),
    ((*RUN, "busybox", "/no/such/program"), 127),
    ((*RUN, "busybox", "/etc"), 126),
    ((*RUN, "busybox", "/etc/passwd"), 126),
    ((*RUN, "--entrypoint", "nosuchprogram", "busybox"), 127),
    ((*RUN, "--entrypoint", "/etc/passwd", "busybox"), 126),
    ((*RUN, "--init", "busybox", "nosuchprogram"), 127),
    (("run", "-d", "--rm", "--network=none", "busybox", "nosuchprogram"), 127),
    (("run", "-d", "--rm", "--network=none", "busybox", "/etc"), 126),
    ((*RUN, "-w", "/new/directory", "busybox", "pwd"), 0),
    ((*RUN, "-u", "nosuchuser", "busybox", "true"), 125),
    ((*RUN, "-u", "0:nosuchgroup", "busybox", "true"), 125),
    ((*RUN, "--frobnicate", "busybox", "true"), 125),
    ((*RUN, "UPPER/case", "true"), 125),
    ((*RUN, "-m", "x", "busybox", "true"), 125),
    ((*RUN, "-m", "1k", "busybox", "true"), 125),
    ((*RUN, "--cpus=-1", "busybox", "true"), 125),
    ((*RUN, "--cpuset-cpus=900", "busybox", "true"), 125),
    ((*RUN, "-v", "relative/path:/x", "busybox", "true"), 125),
    ((*RUN, "-v", "/tmp:/x:frob", "busybox", "true"), 125),
    ((*RUN, "-v", "/tmp:/x:ro,rw", "busybox", "true"), 125),
    ((*RUN, "-v", "/tmp:/x:private,slave", "busybox", "true"), 125),
    ((*RUN, "-v", "/tmp:/x:ro,z", "busybox", "true"), 0),
    ((*RUN, "--name", "a b", "busybox", "true"), 125),
    ((*RUN, "--name", "taken", "busybox", "true"), 125),
    ((*RUN, "--cap-add=FROB", "busybox", "true"), 125),
    ((*RUN, "--ulimit", "frob=1", "busybox", "true"), 125),
    ((*RUN, "--ulimit", "nofile=9:3", "busybox", "true"), 125),
    ((*RUN, "--env-file", "/no/such/file", "busybox", "true"), 125),
    ((*RUN, "--security-opt", "seccomp=/no/such/file", "busybox", "true"), 125),
    ((*RUN, "--pid=container:nosuch", "busybox", "true"), 125),
    (("exec", "taken", "true"), 0),
    (("exec", "taken", "false"), 1),
    (("exec", "taken", "sh", "-c", "exit 7"), 7),
    (("exec", "taken", "sh", "-c", "kill -9 $$"), 137),
    (("exec", "taken", "/etc/passwd"), 126),
    (("exec", "taken", "/etc"), 126),
    (("exec", "nosuch", "true"), 1),
    (("exec", "stopped", "true"), 1),
    (("exec", "-d", "taken", "true"), 0),
    (("start", "nosuch"), 1), (("start", "taken"), 0), (("stop", "nosuch"), 1), (("kill", "nosuch"), 1), (("kill", "stopped"), 1),
    (("kill", "-s", "FROB", "taken"), 1), (("rm", "nosuch"), 1), (("rm", "taken"), 1), (("rm", "-f", "nosuch"), 0), (("pause", "stopped"), 1),
    (("unpause", "taken"), 1), (("wait", "nosuch"), 1), (("logs", "nosuch"), 1), (("inspect", "nosuch"), 1), (("rename", "nosuch", "x"), 1),
    (("attach", "stopped"), 1), (("restart", "nosuch"), 1), (("port", "nosuch"), 1), (("rmi", "nosuchimage"), 1), (("create", "busybox", "true"), 0), (("create", "-m", "x", "busybox", "true"), 125),
    (("create", "UPPER"), 1), (("ps", "--frobnicate"), 125), (("frobnicate",), 1),
)


def prepare(command):
    command("run", "-d", "--name=taken", "--network=none", "busybox", "sleep", "600").ok()
    command("run", "--name=stopped", "--network=none", "busybox", "true").ok()


def codes_of(command):
    prepare(command)
    return [command(*words).code for words, _ in ROWS]


def test_exit_codes_are_docker_s():
    ours = codes_of(hull)
    hull("rm", "-f", *hull("ps", "-aq").ok().out.split()).ok()
    with dockerd():
        theirs = codes_of(docker)
    wrong = [f"{' '.join(words)}: wanted {wanted}, hull {mine}, docker {other}"
             for (words, wanted), mine, other in zip(ROWS, ours, theirs, strict=True) if not mine == other == wanted]
    log(f"{len(ROWS)} rows")
    if wrong:
        raise Failure(f"{len(wrong)} of {len(ROWS)}:\n    " + "\n    ".join(wrong))
