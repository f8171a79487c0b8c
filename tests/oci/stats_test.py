"""hull oci events: statistics in runc's form, at an interval, and kills for want of memory."""
import json

from lib.bundle import command, container, oci
from lib.hull import background, check, equal, eventually


def resources(**values):
    return {"linux": {"resources": values}}


def stats_of(name, runtime="hull"):
    event = json.loads(oci("events", "--stats", name, runtime=runtime).ok().out)
    equal((event["type"], event["id"]), ("stats", name))
    return event["data"]


def leaves(value, path=""):
    """The names of all numbers in a document, without those of devices and of the kernel's own lists."""
    if isinstance(value, dict):
        return {leaf for key, one in value.items() if key not in ("raw", "intel_rdt", "network_interfaces", "hugetlb") for leaf in leaves(one, f"{path}.{key}")}
    return {path}


def test_statistics():
    with container(resources(memory={"limit": 64 << 20}, pids={"limit": 9}, cpu={"quota": 5000, "period": 10000, "cpus": "0"}),
                   {"process": {"args": ["/bin/sh", "-c", "while :; do :; done"]}}) as name:
        eventually(lambda: stats_of(name)["cpu"]["throttling"].get("throttledTime", 0) > 0)
        data = stats_of(name)
        equal(data["pids"], {"current": 1, "limit": 9})
        equal((data["memory"]["usage"]["limit"], data["cpuset"]["cpus"], data["cpuset"]["mems"]), (64 << 20, [0], [0]))
        usage = data["cpu"]["usage"]
        check(usage["total"] > 0 and sum(usage["percpu"]) > 0 and usage["user"] > 0, str(usage))
        check(data["memory"]["usage"]["usage"] > 0 and "total_inactive_file" in data["memory"]["raw"], str(data["memory"]))
        equal(data["memory"]["usage"]["failcnt"], 0)
        check(all("failcnt" in one for one in data["hugetlb"].values()), str(data["hugetlb"]))
    oci("events", "--stats", "nobody").fails(1, "does not exist")


def test_statistics_have_runc_s_names():
    """Of the same bundle; runc 1.1 writes a few more that newer kernels have no files for."""
    names = {}
    for runtime in ("hull", "runc"):
        with container(resources(memory={"limit": 64 << 20}, pids={"limit": 9}), runtime=runtime) as name:
            names[runtime] = leaves(stats_of(name, runtime))
    equal(sorted(names["hull"] - names["runc"]), [], "names that runc has not")
    equal(sorted(names["runc"] - names["hull"]), [".cpu.usage.percpu_kernel", ".cpu.usage.percpu_user", ".cpuset.sched_relax_domain_level"])


def test_events_at_an_interval_until_the_end():
    with container() as name:
        with background(*command(), "events", "--interval", "150ms", name) as watching:
            equal([json.loads(watching.stdout.readline())["type"] for _ in range(3)], ["stats"] * 3)
            oci("kill", name, "KILL").ok()
            equal(watching.wait(timeout=10), 0)
    for bad in ("0s", "-1s", "5", "soon", "1s5"):
        with container() as name:
            oci("events", "--interval", bad, name).fails(1, "--interval")


def test_an_oom_kill_is_an_event():
    with container(resources(memory={"limit": 32 << 20, "swap": 32 << 20})) as name:
        with background(*command(), "events", "--interval", "1h", name) as watching:
            equal(json.loads(watching.stdout.readline())["type"], "stats")
            oci("exec", name, "/bin/dd", "if=/dev/zero", "of=/dev/null", "bs=64M", "count=1").exits(137)
            equal(json.loads(watching.stdout.readline()), {"type": "oom", "id": name})
            oci("kill", name, "KILL").ok()
            equal(watching.wait(timeout=10), 0)
