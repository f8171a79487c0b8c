"""Archives that ask for too much (SECURITY D6): each is refused in one line within seconds, with bounded memory, and
leaves nothing. The headers stand at and beyond the limits of src/image/limits.h."""
import gzip
import os
import subprocess
import sys
import tarfile

from lib.hull import binary, check, equal, hull, hull_root, need, peak_memory, run, sanitized, scratch
from lib.images import DIRECTORY, Entry, docker_archive, tar

MEGABYTE = 1 << 20
BLOCK = 16 * MEGABYTE


def header(name="f", size=0, kind=tarfile.REGTYPE, pax=None):
    entry = Entry(name, kind, pax=pax)
    entry.info.size = size
    return entry


def number_header(name, field):
    """A header with these 12 raw bytes as its size."""
    raw = bytearray(Entry(name).header())
    raw[124:136] = field
    raw[148:156] = b" " * 8
    raw[148:156] = b"%06o\0 " % sum(raw)
    return bytes(raw)


def zstd(data, *options):
    need("zstd")
    return subprocess.run(["zstd", "-q", "-c", *options], input=data, capture_output=True, check=True).stdout


def gzip_zeros():
    return gzip.compress(header(size=1024 * MEGABYTE).header()) + gzip.compress(bytes(BLOCK)) * 64 + gzip.compress(bytes(1024))


def zstd_zeros():
    return zstd(header(size=1024 * MEGABYTE).header()) + zstd(bytes(BLOCK)) * 64 + zstd(bytes(1024))


def long_record(key, length):
    body = f" {key}=".encode() + b"a" * length + b"\n"
    size = len(body) + len(str(len(body) + 8))
    record = str(size).encode() + body
    record += b"" if len(record) == size else b""
    data = record + bytes(-len(record) % 512)
    extended = header("pax", len(record), tarfile.XHDTYPE)
    return extended.header(tarfile.USTAR_FORMAT) + data + tar([Entry("f")])


def sparse_pax(**records):
    return tar([Entry("f", pax={f"GNU.sparse.{key}": value for key, value in records.items()})])


BOMBS = [
    ("gzip of 1 GiB of zeros", gzip_zeros, "bomb"),
    ("zstd of 1 GiB of zeros", zstd_zeros, "bomb"),
    ("gzip in gzip", lambda: gzip.compress(gzip_zeros()), ""),
    ("zstd with a window of 2 GiB", lambda: zstd(os.urandom(4096), "--ultra", "--long=31"), ""),
    ("endless gzip members", lambda: gzip.compress(b"") * ((1 << 20) + 2), "members"),
    ("a million entries", lambda: gzip.compress(Entry("d/", DIRECTORY).header() * (BLOCK // 512)) * 40, ""),
    ("8 EiB sparse, PAX 0.1", lambda: sparse_pax(size=str(2**63 - 1), numblocks="0", map="0,0"), "limit"),
    ("8 EiB sparse, PAX 1.0", lambda: sparse_pax(major="1", minor="0", name="f", realsize=str(2**63 - 1)), ""),
    ("sparse segments that overlap", lambda: sparse_pax(size="100", numblocks="2", map="0,10,5,10"), "holes"),
    ("sparse segments beyond 2^64", lambda: sparse_pax(size="100", numblocks="1", map="18446744073709551615,2"), ""),
    ("10000 directories deep", lambda: tar([Entry("a/" * 10000 + "f", pax={"path": "a/" * 10000 + "f"})]), "limit"),
    ("300 directories deep", lambda: tar([Entry("a/" * 300 + "f")]), "deeper"),
    ("a name of 256 bytes", lambda: tar([Entry("n" * 256)]), "255"),
    ("a name of 1 MiB", lambda: long_record("path", MEGABYTE - 100), "limit"),
    ("a PAX header of 2 MiB", lambda: long_record("comment", 2 * MEGABYTE), "limit"),
    ("a PAX header of 2 GiB", lambda: header("p", 2**31, tarfile.XHDTYPE).header(tarfile.GNU_FORMAT), "limit"),
    ("a long name of 2 GiB", lambda: header("p", 2**31, tarfile.GNUTYPE_LONGNAME).header(tarfile.GNU_FORMAT), "limit"),
    ("a negative size", lambda: number_header("f", b"\xff" * 12), "negative"),
    ("a base-256 size of 2^63", lambda: number_header("f", b"\x80\0\0\0" + b"\x80" + bytes(7)), "size"),
    ("a base-256 size beyond 64 bits", lambda: number_header("f", b"\x80\x01" + bytes(10)), "size"),
    ("a file of 2 TiB", lambda: number_header("f", b"\x80" + (2**41).to_bytes(11, "big")), "limit"),
    ("a size in PAX of 2^64", lambda: tar([Entry("f", pax={"size": str(2**64)})]), "size"),
    ("a size in PAX of -1", lambda: tar([Entry("f", pax={"size": "-1"})]), "size"),
    ("a uid of 2^32-1", lambda: tar([Entry("f", pax={"uid": str(2**32 - 1)})]), "uid"),
    ("a uid of -1", lambda: tar([Entry("f", pax={"uid": "-1"})]), "uid"),
    ("200 attributes", lambda: tar([Entry("f", pax={f"SCHILY.xattr.user.a{n}": "x" for n in range(200)})]), "limit"),
    ("an attribute of 128 KiB", lambda: tar([Entry("f", pax={"SCHILY.xattr.user.a": "x" * (128 << 10)})]), "limit"),
]


def used(path):
    stat = os.statvfs(path)
    return (stat.f_blocks - stat.f_bfree) * stat.f_frsize


def test_each_bomb_is_refused_quickly_in_little_memory_and_leaves_nothing():
    hull("images").ok()
    before = used(hull_root())
    for name, make, word in BOMBS:
        path = scratch("bomb")
        with open(path, "wb") as file:
            file.write(make())
        result = hull("import", path, timeout=60)  # a hang is what fails, not a busy machine
        equal(result.code, 1, f"exit after {name}")
        result.one_line_error()
        check(word in result.err, f"{name}: expected {word!r} in {result.err!r}")
        check("Traceback" not in result.err and "signal" not in result.err, f"{name}: {result.err}")
        os.unlink(path)
    check(used(hull_root()) - before < 256 << 10, "disk space stays used")
    equal(os.listdir(f"{hull_root()}/staging"), [".lock"], "staging")
    equal(os.listdir(f"{hull_root()}/layers"), [], "layers")


def test_readers_stay_small():
    with open(scratch("zeros"), "wb") as file:
        file.write(gzip_zeros())
    _, peak = peak_memory(binary(), "import", scratch("zeros"))
    check(peak < (128 if not sanitized() else 512) * 1024, f"a process grew to {peak} KiB")


def test_a_bomb_inside_a_layer_is_refused_by_load():
    layer = tar([header(size=512 * MEGABYTE)], end=False) + bytes(512 * MEGABYTE) + bytes(1024)
    archive = gzip.compress(docker_archive([layer]), 1)
    result = hull("load", input=archive, timeout=60)
    result.fails(1, "bomb").one_line_error()
    equal(os.listdir(f"{hull_root()}/staging"), [".lock"], "staging")


def test_what_stands_at_the_limits_is_taken():
    entries = [Entry("n" * 255), Entry("d/" * 255 + "f"), Entry("f", pax={"uid": str(2**32 - 2)}),
               Entry("x", pax={f"SCHILY.xattr.user.a{n}": "x" for n in range(20)})]
    hull("import", "-", "limits", input=tar(entries)).ok()
    hull("import", "-", "zeros", input=gzip.compress(tar([Entry("z", data=bytes(64 * MEGABYTE))]))).ok()
