"""Archives for tests: tar entries, layers, docker-archives and OCI layouts, made in memory."""
import hashlib
import io
import json
import os
import stat
import tarfile

FILE, DIRECTORY, SYMLINK, HARD_LINK = tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE
CHAR, BLOCK, FIFO = tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE


class Entry:
    """One tar entry, with the name exactly as given."""

    def __init__(self, name, kind=FILE, data=b"", link="", mode=0o644, device=(0, 0), pax=None, uid=0, gid=0, mtime=1000):
        self.info = tarfile.TarInfo("x")
        self.info.name, self.info.type, self.info.linkname, self.info.mode = name, kind, link, mode
        self.info.devmajor, self.info.devminor = device
        self.info.uid, self.info.gid, self.info.mtime = uid, gid, mtime
        self.info.pax_headers = pax or {}
        self.data = data
        self.info.size = len(data)

    def header(self, tar_format=tarfile.PAX_FORMAT):
        return self.info.tobuf(tar_format, "utf-8", "surrogateescape")


def tar(entries, tar_format=tarfile.PAX_FORMAT, end=True):
    out = io.BytesIO()
    for entry in entries:
        out.write(entry.header(tar_format))
        out.write(entry.data + bytes(-len(entry.data) % 512))
    if end:
        out.write(bytes(1024))
    return out.getvalue()


def sha256(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def text(document):
    return json.dumps(document).encode()


def config_of(layers, **config):
    return text({"architecture": "amd64", "os": "linux", "created": "2026-01-01T00:00:00Z", "config": config,
                 "rootfs": {"type": "layers", "diff_ids": [sha256(layer) for layer in layers]}})


def files_to_tar(files):
    return tar([Entry(name, data=data) for name, data in files.items()])


def docker_archive(layers, names=("hostile:latest",), **config):
    """`layers` are uncompressed tars, bottom first."""
    document = config_of(layers, **config)
    files = {f"{number}/layer.tar": layer for number, layer in enumerate(layers)}
    name = sha256(document)[7:] + ".json"
    files[name] = document
    files["manifest.json"] = text([{"Config": name, "RepoTags": list(names), "Layers": list(files)[:-1]}])
    return files_to_tar(files)


def oci_files(layers, name="hostile:latest", config=None, media_type="application/vnd.oci.image.layer.v1.tar", blobs=None, annotations=None):
    """Files of an OCI layout; `blobs` are the layers as stored (compressed), else as they are."""
    blobs = blobs or layers
    config = config or config_of(layers)
    describe = lambda kind, data: {"mediaType": kind, "digest": sha256(data), "size": len(data)}
    manifest = text({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
                     "config": describe("application/vnd.oci.image.config.v1+json", config),
                     "layers": [describe(media_type, blob) for blob in blobs], "annotations": annotations or {}})
    entry = describe("application/vnd.oci.image.manifest.v1+json", manifest)
    entry["annotations"] = {"org.opencontainers.image.ref.name": name}
    files = {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}', "index.json": text({"schemaVersion": 2, "manifests": [entry]})}
    for blob in [manifest, config, *blobs]:
        files["blobs/sha256/" + sha256(blob)[7:]] = blob
    return files


def snapshot(path):
    """Everything that can be seen of a tree: names, kinds, modes, owners, sizes, times, contents, links, attributes."""
    seen = {}
    for folder, folders, files in os.walk(path):
        for name in [""] + files + [f for f in folders if os.path.islink(f"{folder}/{f}")]:
            full = os.path.join(folder, name) if name else folder
            status = os.lstat(full)
            row = [stat.filemode(status.st_mode), status.st_uid, status.st_gid, status.st_mtime_ns, status.st_rdev]
            if stat.S_ISREG(status.st_mode):
                with open(full, "rb") as file:
                    row += [status.st_size, hashlib.sha256(file.read()).hexdigest(), status.st_nlink]
            if stat.S_ISLNK(status.st_mode):
                row.append(os.readlink(full))
            else:
                row.append({key: os.getxattr(full, key) for key in os.listxattr(full)})
            seen[os.path.relpath(full, path)] = row
    return seen
