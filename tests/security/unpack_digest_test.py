"""Damaged and lying archives (SECURITY D7, E4, H5): truncated anywhere, bytes flipped in each document, digests that do
not match, documents that can be read in two ways. All are refused, the store is as before, and a good load then works."""
import copy
import gzip
import json
import os

from lib.hull import check, equal, hull, hull_root
from lib.images import (DIRECTORY, SYMLINK, Entry, config_of, docker_archive, files_to_tar, oci_files, sha256, snapshot, tar, text)

LAYER = tar([Entry("bin", DIRECTORY, mode=0o755), Entry("bin/tool", data=os.urandom(9000), mode=0o755),
             Entry("link", SYMLINK, link="bin/tool")])
SECOND = tar([Entry("etc", DIRECTORY, mode=0o755), Entry("etc/conf", data=b"a=b\n" * 300)])


def state():
    hull("images").ok()
    return {name: row for name, row in snapshot(hull_root()).items() if not name.startswith("staging")}


def refused(archive, what, before, command=("load",), word=None):
    result = hull(*command, input=archive, timeout=20)
    equal(result.code, 1, f"exit after {what}")
    result.one_line_error()
    if word:
        check(word in result.err, f"{what}: expected {word!r} in {result.err!r}")
    return result


def unchanged(before, what):
    now = state()
    changed = {name for name in before.keys() | now.keys() if before.get(name, [0])[4:] != now.get(name, [0])[4:]}
    equal(changed, set(), f"changed in the store by {what}")
    equal(os.listdir(f"{hull_root()}/staging"), [".lock"], "staging")


def test_an_archive_truncated_anywhere_is_refused_and_the_next_load_works():
    before = state()
    for what, whole, command in (("docker-archive", docker_archive([LAYER, SECOND]), ("load",)),
                                 ("oci-archive", files_to_tar(oci_files([LAYER, SECOND])), ("load",)),
                                 ("gzip", gzip.compress(docker_archive([LAYER, SECOND])), ("load",)),
                                 ("rootfs", LAYER, ("import", "-"))):
        end = len(whole) - (1024 if what != "gzip" else 0)
        for size in sorted({0, 1, 511, 512, 513, *range(0, end, max(end // 40, 1)), end - 1}):
            refused(whole[:size], f"{what} cut at {size}", before, command)
    unchanged(before, "truncated archives")
    hull("load", input=docker_archive([LAYER, SECOND])).ok().out_is("Loaded image: hostile:latest\n")


def test_a_flipped_byte_in_any_blob_is_refused():
    before = state()
    files = oci_files([LAYER, SECOND])
    flips = 0
    for name in [name for name in files if name.startswith("blobs/")]:
        step = max(len(files[name]) // 40, 1)
        for at in range(0, len(files[name]), step):
            damaged = dict(files)
            damaged[name] = files[name][:at] + bytes([files[name][at] ^ 1]) + files[name][at + 1:]
            refused(files_to_tar(damaged), f"{name[:20]} flipped at {at}", before, word="does not verify")
            flips += 1
    check(flips >= 150, f"{flips} flips")
    unchanged(before, "flipped bytes")


def test_a_flipped_byte_in_the_index_digest_is_refused():
    before = state()
    files = oci_files([LAYER])
    index = files["index.json"]
    start = index.index(b"sha256:")
    for at in range(start, start + 71):
        damaged = index[:at] + bytes([index[at] ^ 1]) + index[at + 1:]
        refused(files_to_tar({**files, "index.json": damaged}), f"index flipped at {at}", before)
    unchanged(before, "a flipped index")


def test_a_wrong_diff_id_is_refused():
    before = state()
    for number in range(2):
        config = json.loads(config_of([LAYER, SECOND]))
        config["rootfs"]["diff_ids"][number] = sha256(b"other")
        refused(files_to_tar(oci_files([LAYER, SECOND], config=text(config))), f"diff id {number}", before, word="does not verify")
    other = json.loads(config_of([LAYER]))
    refused(files_to_tar(oci_files([LAYER, SECOND], config=text(other))), "too few diff ids", before, word="layers")
    name = "0" * 64 + ".json"
    archive = files_to_tar({"l.tar": LAYER, name: config_of([LAYER]), "manifest.json": text([{"Config": name, "Layers": ["l.tar"]}])})
    refused(archive, "a config under another digest's name", before, word="does not verify")
    unchanged(before, "wrong diff ids")


def manifest_of(files):
    """(digest hex, document) of the one manifest."""
    digest = json.loads(files["index.json"])["manifests"][0]["digest"][7:]
    return digest, json.loads(files[f"blobs/sha256/{digest}"])


def with_manifest(files, document):
    """The files with another manifest, its digest and size right everywhere."""
    files = dict(files)
    old, _ = manifest_of(files)
    del files[f"blobs/sha256/{old}"]
    data = document if isinstance(document, bytes) else text(document)
    files[f"blobs/sha256/{sha256(data)[7:]}"] = data
    index = json.loads(files["index.json"])
    index["manifests"][0].update(digest=sha256(data), size=len(data))
    files["index.json"] = text(index)
    return files


def ambiguous():
    files = oci_files([LAYER])
    _, good = manifest_of(files)
    index = json.loads(files["index.json"])
    change = lambda **more: with_manifest(files, {**good, **more})
    layer = lambda **more: with_manifest(files, {**good, "layers": [{**good["layers"][0], **more}]})
    entry = lambda **more: {**files, "index.json": text({**index, "manifests": [{**index["manifests"][0], **more}]})}
    yield "layers and manifests", change(manifests=[])
    yield "a manifest that calls itself an index", change(mediaType="application/vnd.oci.image.index.v1+json")
    yield "a manifest that calls itself docker's", change(mediaType="application/vnd.docker.distribution.manifest.v2+json")
    yield "schema 1", change(schemaVersion=1)
    yield "schema 1 parts", change(fsLayers=[], history=[])
    yield "no schema", with_manifest(files, {k: v for k, v in good.items() if k != "schemaVersion"})
    yield "no config", with_manifest(files, {k: v for k, v in good.items() if k != "config"})
    yield "an artifact", change(config={**good["config"], "mediaType": "application/vnd.example"})
    yield "a duplicate key", with_manifest(files, text(good)[:-1] + b',"layers":[]}')
    yield "trailing text", with_manifest(files, text(good) + b"{}")
    yield "a list", with_manifest(files, text([good]))
    yield "an unknown layer type", layer(mediaType="application/zip")
    yield "a wrong size", layer(size=1)
    yield "a negative size", layer(size=-1)
    yield "a path as digest", layer(digest="sha256:../../../../etc/passwd")
    yield "a short digest", layer(digest="sha256:abc")
    yield "upper case", layer(digest="sha256:" + good["layers"][0]["digest"][7:].upper())
    yield "65 digits", layer(digest=good["layers"][0]["digest"] + "0")
    yield "md5", layer(digest="md5:" + "0" * 32)
    yield "sha512", layer(digest="sha512:" + "0" * 128)
    yield "an index with layers", {**files, "index.json": text({**index, "layers": []})}
    yield "an index that is docker's", {**files, "index.json": text({**index, "mediaType": "application/vnd.docker.distribution.manifest.list.v2+json"})}
    yield "an index announced as a manifest", entry(mediaType="application/vnd.oci.image.index.v1+json")
    yield "a manifest of an unknown type", entry(mediaType="text/plain")
    yield "a layout of another version", {**files, "oci-layout": b'{"imageLayoutVersion":"9.0.0"}'}
    yield "not JSON", {**files, "index.json": b"{"}
    yield "nested 100 deep", {**files, "index.json": b"[" * 100 + b"]" * 100}
    for key, wrong in (("Env", "x"), ("Env", [1]), ("Cmd", {}), ("Labels", ["x"]), ("Volumes", ["x"]), ("User", 5), ("Env", ["A=\0"])):
        yield f"config {key}={wrong!r}", oci_files([LAYER], config=config_of([LAYER], **{key: wrong}))
    windows = {**json.loads(config_of([LAYER])), "os": "windows"}
    yield "made for windows", oci_files([LAYER], config=text(windows))


def test_documents_that_read_two_ways_are_refused():
    before = state()
    for what, files in ambiguous():
        refused(files_to_tar(files), what, before)
    unchanged(before, "ambiguous documents")
    hull("load", input=files_to_tar(oci_files([LAYER]))).ok()


def test_a_name_that_is_taken_is_taken_over_with_a_word():
    hull("load", input=docker_archive([LAYER], names=("app:1",))).ok().out_is("Loaded image: app:1\n")
    old = hull("images", "-q", "--no-trunc").ok().line
    again = hull("load", input=docker_archive([LAYER], names=("app:1",))).ok().out_is("Loaded image: app:1\n")
    check("already exists" not in again.out, "the same image again takes nothing over")
    hull("load", input=docker_archive([SECOND], names=("app:1",))).ok().out_is(
        f"The image app:1 already exists, renaming the old one with ID {old} to empty string\nLoaded image: app:1\n")
    check("<none>" in hull("images").ok().out, "the old image stays without a name")
    config = json.loads(config_of([LAYER]))
    hull("load", input=docker_archive([copy.copy(LAYER), SECOND], names=())).ok().out_matches(r"^Loaded image ID: sha256:[0-9a-f]{64}$")
    equal(config["os"], "linux", "control")
