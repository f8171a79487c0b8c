"""A kubelet's words to a container engine, spoken by hand: gRPC with the messages of the Container Runtime Interface,
cri-api/pkg/apis/runtime/v1/api.proto. A program of its own, because grpcio belongs to the system's Python:

    /usr/bin/python3 cri.py SOCKET LOG-DIRECTORY HANDLER IMAGE     one pod with two containers; prints JSON
"""
import json
import sys
import time

import grpc

NODE = 2  # NamespaceMode: the host's network, so that no CNI plugin is needed


def varint(number):
    out = b""
    while number > 0x7f:
        out += bytes([number & 0x7f | 0x80])
        number >>= 7
    return out + bytes([number])


def message(*fields):
    """(field number, integer or text or bytes) … as protocol buffers write them."""
    out = b""
    for number, value in fields:
        if isinstance(value, int):
            out += varint(number << 3) + varint(value)
        else:
            value = value.encode() if isinstance(value, str) else value
            out += varint(number << 3 | 2) + varint(len(value)) + value
    return out


def parse(data):
    """{field number: [values]}; of wire types 0 and 2, which is all that the answers have."""
    at, found = 0, {}

    def number():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 0x7f) << shift
            shift += 7
            if byte < 0x80:
                return value
    while at < len(data):
        key = number()
        value = number()
        if key & 7 == 2:
            value, at = data[at:at + value], at + value
        found.setdefault(key >> 3, []).append(value)
    return found


class Runtime:
    def __init__(self, socket):
        self.channel = grpc.insecure_channel(f"unix://{socket}")

    def call(self, name, *fields):
        method = self.channel.unary_unary(f"/runtime.v1.RuntimeService/{name}", request_serializer=bytes, response_deserializer=bytes)
        return parse(method(message(*fields), timeout=60))

    def text(self, name, *fields):
        return self.call(name, *fields)[1][0].decode()

    def execute(self, container, script):
        answer = self.call("ExecSync", (1, container), (2, "/bin/sh"), (2, "-c"), (2, script), (3, 20))
        return [answer.get(3, [0])[0], answer.get(1, [b""])[0].decode(), answer.get(2, [b""])[0].decode()]

    def state(self, container):
        status = parse(self.call("ContainerStatus", (1, container))[1][0])
        return [status.get(3, [0])[0], status.get(7, [0])[0]]  # ContainerState, exit code


def main():
    socket, logs, handler, image = sys.argv[1:]
    runtime, told = Runtime(socket), {}
    host_network = message((1, NODE))
    pod = message((1, message((1, "pod"), (2, "uid"), (3, "default"))), (3, logs), (8, message((2, message((1, host_network))))))

    def container(name, command, memory):
        resources = message((4, memory))
        config = message((1, message((1, name))), (2, message((1, image))), *((3, word) for word in command), (6, message((1, "A"), (2, "b"))),
                         (11, f"{name}.log"), (15, message((1, resources), (2, message((3, host_network))))))
        made = runtime.text("CreateContainer", (1, sandbox), (2, config), (3, pod))
        runtime.call("StartContainer", (1, made))
        return made

    sandbox = runtime.text("RunPodSandbox", (1, pod), (2, handler))
    first = container("first", ["/bin/sleep", "600"], 64 << 20)
    second = container("second", ["/bin/sh", "-c", "echo said; exit 5"], 32 << 20)
    told["exec"] = runtime.execute(first, "cat /sys/fs/cgroup/memory/memory.limit_in_bytes; echo $A; exit 3")
    told["ipc"] = runtime.execute(first, "readlink /proc/self/ns/ipc")[1]
    told["running"] = runtime.state(first)
    for _ in range(100):
        told["ended"] = runtime.state(second)
        if told["ended"][0] == 2:
            break
        time.sleep(0.05)
    runtime.call("StopContainer", (1, first), (2, 0))
    told["stopped"] = runtime.state(first)
    for made in (first, second):
        runtime.call("RemoveContainer", (1, made))
    runtime.call("StopPodSandbox", (1, sandbox))
    runtime.call("RemovePodSandbox", (1, sandbox))
    with open(f"{logs}/second.log") as log:
        told["log"] = log.read()
    print(json.dumps(told))


if __name__ == "__main__":
    main()
