"""State directories as earlier versions of hull left them under --root: a container that was made before an upgrade is
driven to its end after it."""
import json
import os
import shutil

from lib.bundle import container, oci, state
from lib.hull import check, equal, eventually, scratch

# As the first version wrote it; keys that came later are absent.
FIRST = ('{{"ociVersion":"1.2.0","id":"{id}","pid":{pid},"identity":"{identity}","boot":"{boot}","bundle":"{bundle}","rootfs":"{rootfs}",'
         '"created":"2026-01-02T03:04:05.678901234Z","cgroup":"{cgroup}","annotations":{{"a":"b"}}}}')


def age(name, form=FIRST, **changed):
    """Rewrites the state of a container as another version would have left it."""
    path = f"{scratch('oci-state')}/{name}/state.json"
    with open(path) as file:
        known = json.load(file)
    with open(path, "w") as file:
        file.write(form.format(**{**known, **changed}))


def test_a_container_of_the_first_version_is_driven_to_its_end():
    with container(start=False) as name:
        age(name)
        told = state(name)
        equal((told["status"], told["created"], told["annotations"]), ("created", "2026-01-02T03:04:05.678901234Z", {"a": "b"}))
        oci("start", name).ok()
        equal(state(name)["status"], "running")
        oci("exec", name, "/bin/true").ok()
        oci("pause", name).ok()
        equal(state(name)["status"], "paused")
        oci("resume", name).ok()
        check(name in oci("list").ok().out, "it is listed")
        oci("kill", name, "KILL").ok()
        eventually(lambda: state(name)["status"] == "stopped")
        oci("delete", name).ok()
        equal(os.path.exists(f"{scratch('oci-state')}/{name}"), False, "the directory")


def test_what_a_later_version_adds_is_passed_over():
    with container() as name:
        age(name, FIRST[:-2] + ',"later":{{"x":[1,2]}},"unit":""}}')
        equal(state(name)["status"], "running")
        oci("exec", name, "/bin/true").ok()


def test_a_state_of_an_earlier_boot_is_stopped_whoever_has_its_pid_now():
    with container() as name:
        ours = state(name)["pid"]
        age(name, boot="11111111-2222-3333-4444-555555555555")
        equal(state(name)["status"], "stopped")
        oci("kill", name, "KILL").fails(1, "not running").one_line_error()
        check(os.path.exists(f"/proc/{ours}"), "the process that has the number lives")
        age(name, boot=open("/proc/sys/kernel/random/boot_id").read().strip())
        equal(state(name)["status"], "running")


def test_a_damaged_state_is_one_line():
    for number, text in enumerate(("", "{", "[]", "null", '{"pid":"x"}', '{"pid":1e99}', '{"id":7,"boot":[],"annotations":3}')):
        name = f"damaged{number}"
        os.makedirs(f"{scratch('oci-state')}/{name}")
        with open(f"{scratch('oci-state')}/{name}/state.json", "w") as file:
            file.write(text)
        for words in (("state", name), ("kill", name, "KILL"), ("exec", name, "/bin/true"), ("start", name)):
            result = oci(*words)
            check(result.code in (0, 1, 255), f"{text!r} {words}: {result}")
            if result.code != 0:
                result.one_line_error()
        oci("list").ok()
        if oci("delete", "--force", name).code != 0:  # what it holds is not known: nothing is guessed, and the file is named
            oci("delete", "--force", name).one_line_error().err_contains(f"{name}/state.json")
            shutil.rmtree(f"{scratch('oci-state')}/{name}")
        equal(os.path.exists(f"{scratch('oci-state')}/{name}"), False, f"{text!r}: the directory")
