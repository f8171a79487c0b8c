"""Traffic through a shared network: a server for inside a container, and one who asks it without a pause."""
import subprocess

PORT = 8080
SERVE = ("sh", "-c", f"mkdir -p /www && echo served > /www/index.html && exec httpd -f -p {PORT} -h /www")
ASK = ("wget", "-q", "-O-", f"http://127.0.0.1:{PORT}/")


class Asker:
    """Asks from inside the net namespace of `pid`, on and on, until end(): (answers, failures, longest gap in seconds)."""
    PROGRAM = r"""
import ctypes, os, socket, sys, time
with open(sys.argv[1]) as ns:
    assert ctypes.CDLL(None, use_errno=True).setns(ns.fileno(), 0x40000000) == 0
print("ready", flush=True)
last, gap, answers, failures = time.monotonic(), 0.0, 0, 0
os.set_blocking(0, False)
while True:
    try:
        if os.read(0, 1): break
    except BlockingIOError: pass
    try:
        with socket.create_connection(("127.0.0.1", 8080), 2) as asked:
            asked.sendall(b"GET / HTTP/1.0\r\n\r\n")
            text = b""
            while piece := asked.recv(4096): text += piece
        if b"served" not in text: raise OSError("another answer")
        now = time.monotonic(); gap = max(gap, now - last); last = now; answers += 1
    except OSError: failures += 1
    time.sleep(0.002)
print(answers, failures, gap)
"""

    def __init__(self, pid):
        self.child = subprocess.Popen(["python3", "-c", self.PROGRAM, f"/proc/{pid}/ns/net"], stdin=subprocess.PIPE,
                                      stdout=subprocess.PIPE, text=True)
        if self.child.stdout.readline() != "ready\n":
            raise RuntimeError("the asker did not start")

    def end(self):
        out, _ = self.child.communicate("x", timeout=20)
        answers, failures, gap = out.split()
        return int(answers), int(failures), float(gap)
