"""State directories as earlier versions of hull left them under --root: a container that was made before an upgrade is
driven to its end after it."""
import json
import os

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


def ended(pid):
    """Gone, or a zombie that nobody has asked after."""
    try:
        return open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True


def test_a_container_whose_state_is_damaged_is_deleted_by_force():
    for content in ("{", "", "[1]"):
        with container() as name:
            pid, home = state(name)["pid"], f"{scratch('oci-state')}/{name}"
            with open(f"{home}/state.json", "w") as file:
                file.write(content)
            oci("delete", name).exits(1).one_line_error()
            oci("delete", "--force", name).ok()
            check(not os.path.exists(home), "its directory")
            eventually(lambda: ended(pid), 3, "its process")


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
        oci("delete", "--force", name).ok()  # no configuration tells of a group: none is guessed
        equal(os.path.exists(f"{scratch('oci-state')}/{name}"), False, f"{text!r}: the directory")
