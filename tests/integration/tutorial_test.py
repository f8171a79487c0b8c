"""The tutorial of the README, line by line, under hull's name and through links named unshare, nsenter and docker."""
import os

from lib import demo_images, tutorial
from lib.hull import Failure, Skip, binary, environment, hull, log, need, scratch


def _story():
    archives = demo_images.archives()
    if not archives:
        raise Skip("the demo's images are not built; make demo or images/build-demo makes them")
    need("pgrep", "bash")
    folder = scratch("bin")
    os.makedirs(folder)
    for name in ("hull", "unshare", "nsenter", "lsns", "docker"):
        os.symlink(binary(), f"{folder}/{name}")
    for archive in archives:
        hull("load", "-i", archive, timeout=60).ok()
    env = environment()
    return tutorial.Story({**env, "PATH": f"{folder}:{env['PATH']}"}, log)


def _tell(rewrite):
    story = _story()
    try:
        for line in tutorial.LINES:
            text = rewrite(line.text)
            result, verdict = story.tell(line, text)
            log(f"$ {text}\n{result.out}{result.err}")
            if verdict is not True:
                raise Failure(f"{text}\n  claim: {line.claim}\n  but: {verdict}")
    finally:
        hull("rm", "-f", "web", "db")


def test_each_line_of_the_tutorial_holds():
    _tell(lambda text: text)


def test_each_line_holds_through_links():
    _tell(tutorial.through_links)


test_each_line_of_the_tutorial_holds.timeout = 120
test_each_line_holds_through_links.timeout = 120
