"""The unit tests (GoogleTest, beside their files in src/), run once in a private world with the leak ledger around them.
Their cases are counted one by one in the closing line when tests/run is told --unit-report."""
import os

from lib.hull import Skip, build_directory, check, log, run


def test_the_unit_tests_pass_and_leave_nothing_behind():
    program = f"{build_directory()}/hull_unit_tests"
    if not os.path.exists(program):
        raise Skip("hull_unit_tests is not built")
    report = f"{build_directory()}/unit.xml"
    result = run(program, "--gtest_brief=1", f"--gtest_output=xml:{report}", timeout=280, env={"ASAN_OPTIONS": None})
    log(result.out[-5000:])
    check(result.code == 0, "unit tests failed; their report is below")


test_the_unit_tests_pass_and_leave_nothing_behind.timeout = 300
