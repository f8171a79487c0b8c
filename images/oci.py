"""Writes OCI image layouts: deterministic layers from files held in memory, the documents around them, as a directory
or as one archive. Used by the builders beside it; needs Python's standard library only.
"""
import copy
import gzip
import hashlib
import io
import json
import os
import shutil
import tarfile
import time

PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Tree:
    """Files by path ("etc/passwd"), each a TarInfo and its bytes."""

    def __init__(self):
        self.entries = {}

    def put(self, info, data=b""):
        self.entries[info.name] = (info, data)

    def directory(self, path, mode=0o755, uid=0, gid=0):
        self.put(_info(path, tarfile.DIRTYPE, mode, uid, gid))

    def file(self, path, data, mode=0o644, mtime=0):
        info = _info(path, tarfile.REGTYPE, mode)
        info.size, info.mtime = len(data), mtime
        self.put(info, data)

    def link(self, path, target):
        info = _info(path, tarfile.SYMTYPE, 0o777)
        info.linkname = target
        self.put(info)

    def without(self, other):
        """What this tree has and the other lacks or has differently."""
        rest = Tree()
        for name, (info, data) in self.entries.items():
            same = other.entries.get(name)
            if not same or same[1] != data or same[0].tobuf() != info.tobuf():
                rest.put(info, data)
        return rest

    def newest(self):
        return max((int(info.mtime) for info, _ in self.entries.values()), default=0)

    def to_tar(self):
        """Bytes of the layer: sorted, each entry after its parents, hard links after everything."""
        self._add_parents()
        buffer = io.BytesIO()
        order = sorted(self.entries.values(), key=lambda entry: (entry[0].type == tarfile.LNKTYPE, entry[0].name))
        with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
            for info, data in order:
                tar.addfile(info, io.BytesIO(data) if info.isreg() else None)
        return buffer.getvalue()

    def _add_parents(self):
        for name in list(self.entries):
            while "/" in name:
                name = name.rpartition("/")[0]
                if name not in self.entries:
                    self.directory(name)


def _info(path, kind, mode, uid=0, gid=0):
    info = tarfile.TarInfo(path)
    info.type, info.mode, info.uid, info.gid, info.mtime = kind, mode, uid, gid, 0
    return info


def plain(info, name):
    """A copy of a package's entry under another name, without names of users and other marks of its origin."""
    clean = copy.copy(info)
    clean.name, clean.uname, clean.gname, clean.pax_headers = name, "", "", {}
    clean.mtime = int(info.mtime)
    return clean


class Layer:
    def __init__(self, tree):
        tar = tree.to_tar()
        self.diff_id = _digest(tar)
        self.blob = gzip.compress(tar, 6, mtime=0)
        self.created = tree.newest()


class Image:
    """name: "docker.io/library/redis:latest"; layers bottom first; config: docker's keys (Env, Cmd, …)."""

    def __init__(self, name, layers, config):
        self.name, self.layers = name, layers
        created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(max(layer.created for layer in layers)))
        self.config = _text({
            "created": created, "architecture": "amd64", "os": "linux", "config": config,
            "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in layers]},
            "history": [{"created": created, "created_by": "hull images/"} for _ in layers]})
        self.manifest = _text({
            "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": _descriptor("application/vnd.oci.image.config.v1+json", self.config),
            "layers": [_descriptor("application/vnd.oci.image.layer.v1.tar+gzip", layer.blob) for layer in layers]})

    def files(self):
        entry = _descriptor("application/vnd.oci.image.manifest.v1+json", self.manifest)
        entry["platform"] = {"architecture": "amd64", "os": "linux"}
        entry["annotations"] = {"org.opencontainers.image.ref.name": self.name}
        index = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [entry]}
        files = {"oci-layout": _text({"imageLayoutVersion": "1.0.0"}), "index.json": _text(index)}
        for blob in [self.config, self.manifest] + [layer.blob for layer in self.layers]:
            files["blobs/sha256/" + _digest(blob)[7:]] = blob
        return files

    def write_directory(self, path):
        draft = f"{path}.new.{os.getpid()}"
        os.makedirs(f"{draft}/blobs/sha256")
        for name, data in self.files().items():
            with open(f"{draft}/{name}", "wb") as file:
                file.write(data)
        shutil.rmtree(path, ignore_errors=True)
        os.rename(draft, path)

    def write_archive(self, path):
        draft = f"{path}.new.{os.getpid()}"
        with tarfile.open(draft, "w") as tar:
            for name, data in self.files().items():
                info = _info(name, tarfile.REGTYPE, 0o644)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
        os.rename(draft, path)


def _text(document):
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def _digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def _descriptor(media_type, data):
    return {"mediaType": media_type, "digest": _digest(data), "size": len(data)}
