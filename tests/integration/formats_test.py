"""What scripts read: templates, filters and the words of version and info, as docker gives them."""
import json
import re

from lib.hull import check, container, contains, equal, hull, inspect, matches, sh


def names(*filters):
    words = [word for one in filters for word in ("--filter", one)]
    return sorted(hull("ps", "-a", *words, "--format", "{{.Names}}").ok().out.split())


def test_a_name_filter_is_a_regular_expression_with_or_without_the_slash():
    for name in ("web", "web2", "my-web"):
        hull("create", "--name", name, "--net=none", "busybox", "true").ok()
    equal(names("name=web"), ["my-web", "web", "web2"], "a part of the name")
    equal(names("name=^web$"), ["web"], "anchored")
    equal(names("name=^/web$"), ["web"], "anchored at the slash")
    equal(names("name=/web"), ["web", "web2"], "from the slash on")
    equal(names("name=^web[0-9]+$", "name=^my"), ["my-web", "web2"], "two of one key are alternatives")
    equal(names("name=[", "name=^web$"), ["web"], "one that is malformed fits nothing")
    hull("ps", "--filter", "name=w{1,300}").exits(1).one_line_error().err_contains("at most 255 repetitions")
    hull("rm", "web", "web2", "my-web").ok()


def test_a_network_filter_takes_what_ps_shows():
    with container("--name=own", "busybox", "sleep", "100"), container("--name=hosts", "--net=host", "busybox", "sleep", "100"):
        equal(names("network=none"), ["own"], "none")
        equal(names("network=host"), ["hosts"], "host")
        equal(names("network=bridge"), [], "bridge")


def test_labels_are_asked_for_as_of_docker():
    hull("create", "--name=cc", "-l", "com.example.my-tier=a,b=c", "busybox", "true").ok()
    hull("create", "--name=dd", "busybox", "true").ok()
    row = '{{.Names}}:{{.Label "com.example.my-tier"}}'
    hull("ps", "-a", "--format", row).ok().out_is("dd:\ncc:a,b=c\n")
    out = hull("ps", "-a", "--format", 'table {{.Names}}\t{{.Label "com.example.my-tier"}}').ok().out
    matches(out, r"^NAMES +my tier\n")
    contains(out, "a,b=c")
    check("Label" not in json.loads(hull("ps", "-al", "--format", "json").ok().out), "a method is no member of a row")
    equal(inspect("cc", '{{index .Config.Labels "com.example.my-tier"}}'), "a,b=c", "a label that is there")
    for name in ("cc", "dd"):
        equal(inspect(name, '[{{index .Config.Labels "zz"}}]'), "[]", "index of one that is not")
        equal(inspect(name, "{{.Config.Labels.zz}}"), "<no value>", "member that is not")
    equal(inspect("busybox", '[{{index .Config.Labels "zz"}}]'), "[]", "index of an image's")
    equal(inspect("busybox", "{{.Config.Labels.zz}}"), "<no value>", "member of an image's")
    hull("inspect", "-f", "{{.Config.zz}}", "cc").exits(1).err_contains('map has no entry for key "zz"')
    hull("rm", "cc", "dd").ok()


def test_a_container_that_is_not_there_is_not_told_as_removed():
    hull("create", "--name=cc", "busybox", "true").ok()
    result = hull("rm", "-f", "no-such-thing", "cc").ok()
    result.out_is("cc\n").err_contains("No such container: no-such-thing")


def test_version_and_info_answer_to_templates_and_to_grep():
    version = hull("--version").ok().out.split()[2]
    for side in ("Client", "Server"):
        hull("version", "--format", "{{.%s.Version}} {{.%s.Os}}" % (side, side)).ok().out_is(f"{version} linux\n")
    equal(json.loads(hull("version", "-f", "json").ok().out)["Server"]["Version"], version, "as JSON")
    matches(hull("version").ok().out, rf"(?s)^Client: .*\n Version: +{re.escape(version)}\n.*\nServer: .*\n  Version: +{re.escape(version)}\n")
    hull("version", "-f", "{{.Server.Nope}}").exits(1).one_line_error()
    text = hull("info").ok().out
    for line in (r"^ Containers: 0$", r"^  Running: 0$", rf"^ Server Version: {re.escape(version)}$", r"^ Storage Driver: overlay2$", r"^ Cgroup Version: [12]$"):
        check(re.search(line, text, re.M), f"{line} in:\n{text}")


def test_a_row_of_images_has_dockers_fields():
    hull("run", "--rm", "--net=none", "busybox", "true").ok()
    row = json.loads(hull("images", "--format", "json", "busybox").ok().out)
    equal(sorted(row), ["Containers", "CreatedAt", "CreatedSince", "Digest", "ID", "Repository", "SharedSize", "Size", "Tag", "UniqueSize"], "fields")
    matches(row["CreatedAt"], r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \+0000 UTC$")


def test_an_image_is_run_by_id_digest_and_whole_name_and_a_container_of_its_name_comes_first():
    hull("run", "--rm", "--net=none", "busybox", "true").ok()
    identity = inspect("busybox", "{{.Id}}")
    digest = hull("images", "--format", "{{.Digest}}", "busybox").ok().out.strip()
    for name in (identity, identity[7:], identity[7:19], f"busybox@{digest}", f"busybox:latest@{digest}", "docker.io/library/busybox:latest"):
        hull("run", "--rm", "--net=none", name, "echo", "ran").ok().out_is("ran\n")
    missing = "busybox@sha256:" + "0" * 64
    hull("run", "--rm", "--net=none", missing, "true").fails(125, f"No such image: {missing}").one_line_error()
    hull("create", "--name=busybox", "busybox", "true").ok()
    equal(inspect("busybox", "{{.Name}}"), "/busybox", "the container")
    hull("inspect", "--type=image", "-f", "{{.Id}}", "busybox").ok().out_is(identity + "\n")
    hull("inspect", "--type=volume", "busybox").exits(1).err_contains("unknown type: volume")
    hull("rm", "busybox").ok()
    hull("inspect", "--type=container", "busybox").exits(1).err_contains("No such container: busybox")


def test_sizes_are_what_the_container_wrote():
    hull("run", "--name=cc", "--net=none", "busybox", "sh", "-c", "dd if=/dev/zero of=/big bs=1000 count=3000 2>/dev/null; ln -s /etc/passwd /link").ok()
    written, whole = (int(n) for n in hull("inspect", "-s", "-f", "{{.SizeRw}} {{.SizeRootFs}}", "cc").ok().out.split())
    check(3_000_000 < written < 3_010_000, f"SizeRw is {written}")
    equal(whole - written, int(inspect("busybox", "{{.Size}}")), "the image's part")
    matches(hull("ps", "-as", "--format", "{{.Size}}").ok().out, r"^3MB \(virtual \d+(\.\d+)?MB\)$")
    hull("inspect", "-f", "{{.SizeRw}}", "cc").exits(1)
    hull("rm", "cc").ok()


def test_no_tree_is_too_deep_for_its_size():
    deep = "i=0; while [ $i -lt 300 ]; do mkdir d; cd -P d; i=$((i+1)); done; dd if=/dev/zero of=big bs=1000 count=3000 2>/dev/null; mkdir -p a/b c; echo x >a/b/f"
    hull("run", "--name=cc", "--net=none", "busybox", "sh", "-c", deep).ok()
    told = sh("ulimit -n 64; hull inspect -s -f '{{.SizeRw}}' cc").ok().out
    equal(int(told), 3_000_002)
    hull("rm", "cc").ok()
