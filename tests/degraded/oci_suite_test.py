"""The tables of tests/oci and the lifecycle of a container on kernels that lack facilities: each set of system calls is
refused (ENOSYS) to hull and to all that it starts, and every answer must be as without. What has no stand-in is a mount
whose ids are mapped, which must be told in one line (EXCEPTIONS)."""
import os
import shutil
import subprocess

from lib.bundle import bundle, container, oci, rootfs, state, v1_alone
from lib.hull import Failure, REPOSITORY, check, compiled, equal, eventually, log, own_directory, refusing, scratch
from lib.oci_cases import wrong_answers
from lib.worker import load

MOUNT_API = ("fsopen", "fsconfig", "fsmount", "open_tree", "move_mount", "mount_setattr")
SETS = {name: (name,) for name in ("openat2", "clone3", *MOUNT_API, "close_range")} | {
    "mount_api": MOUNT_API, "pidfds": ("pidfd_open", "pidfd_send_signal"),
    "all": ("openat2", "clone3", *MOUNT_API, "close_range", "pidfd_open", "pidfd_send_signal")}
# What a case is like in this lane: its own filter is seen, and mapped mounts need the calls.
LEFT_OUT = {"no filter"}
MAPPED = {"an idmapped bind", "an idmapped bind that is read-only", "rbind with idmap and a mount below", "rbind with ridmap and a mount below",
          "idmap with the user namespace's own mapping", "ridmap with the user namespace's own mapping"}


def lacking(what):
    """On v1 alone the groups are made while hull-init begins."""
    return v1_alone() if what == "cgroup2" else refusing(*SETS[what])


def suite(name):
    return load(f"{REPOSITORY}/tests/oci/{name}_test.py")


def tables():
    for name in ("mounts", "namespaces", "process", "devices", "seccomp"):
        for case in suite(name).CASES:
            if case.name not in LEFT_OUT:
                yield name, case


def answers(refused):
    """Every table without `refused`; what is wrong, with the set's name."""
    mapped_need = refused in MOUNT_API or refused in ("mount_api", "all")
    cases = [case for _, case in tables() if not (mapped_need and case.name in MAPPED)]
    wrong = wrong_answers(cases)
    for case in (case for _, case in tables() if mapped_need and case.name in MAPPED):
        code, out, err = case.answer("hull")
        if code != 1 or out or len(err.splitlines()) != 1 or "mapped" not in err:
            wrong.append(f"{case.name}: wanted one line that names mapped mounts, got {code} {out!r} {err}")
    return wrong


def lane(refused):
    mounts, namespaces = suite("mounts"), suite("namespaces")
    try:
        with lacking(refused):
            mounts.with_undo(judge, refused)
    finally:
        namespaces.remove_devices()


def judge(refused):
    if wrong := answers(refused):
        raise Failure(f"without {refused}: {len(wrong)} wrong answers:\n    " + "\n    ".join(wrong))


def test_tables_without_openat2():
    lane("openat2")


def test_tables_without_clone3():
    lane("clone3")


def test_tables_without_fsopen():
    lane("fsopen")


def test_tables_without_fsconfig():
    lane("fsconfig")


def test_tables_without_fsmount():
    lane("fsmount")


def test_tables_without_open_tree():
    lane("open_tree")


def test_tables_without_move_mount():
    lane("move_mount")


def test_tables_without_mount_setattr():
    lane("mount_setattr")


def test_tables_without_mount_api():
    lane("mount_api")


def test_tables_without_close_range():
    lane("close_range")


def test_tables_without_pidfds():
    lane("pidfds")


def test_tables_without_all():
    lane("all")


def test_tables_without_cgroup2():
    lane("cgroup2")


# The life of a container: what other suites claim, on such a kernel.
LIFE = {
    "lifecycle": ("a_container_goes_through_created_running_stopped", "the_state_has_the_keys_of_the_specification",
                  "run_gives_the_exit_code_and_leaves_nothing", "exec_gives_the_exit_code_and_the_container_s_world",
                  "a_missing_program_is_told_by_create", "one_id_serves_one_container"),
    "hooks": ("hooks_run_in_order_and_at_their_time", "in_which_namespaces_each_runs", "a_failure_of_each_kind"),
    "options": ("create_sends_the_terminal_to_the_console_socket", "exec_sends_its_terminal_too", "run_in_a_terminal",
                "exec_in_a_terminal_leaves_it_as_it_was", "signals_reach_the_process_of_a_foreground_run", "no_pivot_moves_the_root"),
    "namespaces": ("each_kind_is_joined_by_path", "a_user_namespace_is_joined_by_path", "exec_is_in_all_namespaces_of_the_container"),
    "mounts": ("nothing_that_is_mounted_inside_appears_on_a_shared_host", "a_shared_bind_reaches_the_host_and_back"),
    "devices": ("update_changes_limits_by_options_and_by_file",)}


def claims_hold(refused, tests):
    wrong = []
    for number, (name, test) in enumerate(tests):
        try:
            with lacking(refused), own_directory(number):
                test()
        except Exception as failure:  # told with its set, after the others have had their turn
            wrong.append(f"{name}: {failure}")
    if wrong:
        raise Failure(f"without {refused}:\n    " + "\n    ".join(wrong))


def life(refused):
    pairs = [(name, each) for name, tests in LIFE.items() for each in tests]
    if refused == "cgroup2":  # its mount namespace is the lane's, not the host's
        pairs = [pair for pair in pairs if pair[0] != "mounts"]
    if refused in ("pidfds", "all"):
        pairs.append(("hooks", "a_timeout_ends_a_hook"))  # takes its seconds
    claims_hold(refused, [(f"{name}.{each}", getattr(suite(name), f"test_{each}")) for name, each in pairs])


def test_what_was_noted_by_a_pidfd_is_not_taken_for_dead():
    with container() as name:
        with refusing(*SETS["pidfds"]):
            oci("state", name).fails(1, "noted by a pidfd").one_line_error()
            oci("delete", name).fails(1, "noted by a pidfd")
        oci("exec", name, "/bin/true").ok()
    with refusing(*SETS["pidfds"]), container() as name:
        with refusing():
            oci("exec", name, "/bin/true").ok()
            oci("kill", name, "KILL").ok()
        eventually(lambda: state(name)["status"] == "stopped")


def escapes(refused):
    """What stands in for a call must keep what the call kept."""
    module = load(f"{REPOSITORY}/tests/security/oci_escapes_test.py")
    peers, module.peers = module.peers, list  # hull alone
    try:
        claims_hold(refused, [(name, getattr(module, name)) for name in dir(module) if name.startswith("test_")])
    finally:
        module.peers = peers


def test_life_without_cgroup2():
    life("cgroup2")


def test_no_way_out_without_cgroup2():
    escapes("cgroup2")


def test_life_without_openat2():
    life("openat2")


def test_life_without_clone3():
    life("clone3")


def test_life_without_fsopen():
    life("fsopen")


def test_life_without_fsconfig():
    life("fsconfig")


def test_life_without_fsmount():
    life("fsmount")


def test_life_without_open_tree():
    life("open_tree")


def test_life_without_move_mount():
    life("move_mount")


def test_life_without_mount_setattr():
    life("mount_setattr")


def test_life_without_mount_api():
    life("mount_api")


def test_life_without_close_range():
    life("close_range")


def test_life_without_pidfds():
    life("pidfds")


def test_life_without_all():
    life("all")


def test_no_way_out_without_openat2():
    escapes("openat2")


def test_no_way_out_without_mount_api():
    escapes("mount_api")


def test_no_way_out_without_all():
    escapes("all")


def test_a_mover_races_the_walk():
    """A directory on the way of a mount point is moved out of the root and back, without end: what is mounted stays beneath
    the root, or is refused, or goes with the directory that is moved away before it is mounted, as with openat2. Nothing
    outside is touched. The links and dots on the way ask for the most of a walk."""
    seen = {"refused": 0, "mounted": 0, "lost": 0}
    root, outside = scratch("moved-root"), scratch("outside")
    os.makedirs(f"{root}/bin")
    shutil.copy2(f"{rootfs()}/bin/busybox", f"{root}/bin/busybox")
    os.makedirs(f"{root}/a/b/c")
    os.makedirs(f"{outside}/t")
    os.symlink("../../../t", f"{root}/a/b/c/up")
    os.makedirs(f"{root}/t")
    mover = subprocess.Popen([compiled("security/swap.c"), f"{root}/a/b", f"{outside}/t"])
    try:
        with refusing("openat2"):
            for _ in range(60):
                path = bundle({"root": {"path": root}, "process": {"args": ["/bin/busybox", "cat", "/proc/self/mountinfo"]}},
                              lambda c: c["mounts"].append({"destination": "/a/b/c/up", "type": "tmpfs", "source": "probe"}))
                result = oci("run", "-b", path, os.path.basename(path))
                places = [line.split()[4] for line in result.out.splitlines() if " probe " in line]
                seen["refused" if result.code != 0 else "mounted" if places else "lost"] += 1
                check(set(places) <= {"/t", "/a/b/c/up"}, f"mounted at {places}")
                check(result.code == 0 or result.one_line_error(), "one line")
                with open("/proc/self/mountinfo") as table:
                    check(" probe " not in table.read(), "it is mounted on the host")
    finally:
        mover.kill()
        mover.wait()
    log(str(seen))
    check(seen["mounted"] > 0, "none came through")
    equal(sorted(os.listdir(outside)), ["t"])
