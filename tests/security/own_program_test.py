"""Our own program in hands that are not its caller's: set-user-ID and file capabilities (CVE-2020-5291, CVE-2022-47952 …)."""
import os
import shutil

from lib.hull import SPARE_UID, binary, contains, equal, need, run, scratch


def a_copy():
    os.chmod(os.path.dirname(scratch()), 0o755)
    os.chmod(scratch(), 0o755)
    path = scratch("hull")
    shutil.copy2(binary(), path)
    return path


def test_a_set_user_id_copy_refuses_to_run():
    path = a_copy()
    os.chmod(path, 0o4755)
    for words in (("run", "--rm", "busybox", "true"), ("unshare", "-m", "true"), ("oci", "list"), ("--version",)):
        result = run(path, *words, user=SPARE_UID)
        equal(result.code != 0, True, f"it refuses {words}")
        result.one_line_error()
        contains(result.err, "refusing to run set-user-id")


def test_a_copy_with_file_capabilities_refuses_to_run():
    path = a_copy()
    run(need("setcap"), "cap_sys_admin+ep", path).ok()
    result = run(path, "unshare", "-m", "true", user=SPARE_UID)
    equal(result.code != 0, True)
    contains(result.err, "refusing to run set-user-id")
