"""`recipe serve` under load, beside `mlflow models serve` on the same bundle. `wrk` makes the load (Debian: `apt-get install wrk`)."""

import asyncio
import json
import os
import re
import socket
import subprocess
import threading
import time
import urllib.request
from pathlib import Path

POST = """wrk.method = "POST"
wrk.body = '{}'
wrk.headers["Content-Type"] = "application/json"
"""
SLOW = 1_000


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def memory(pid):
    """Resident megabytes of a process and its children."""
    children = subprocess.run(["ps", "-o", "rss=", "--pid", str(pid), "--ppid", str(pid)], capture_output=True, text=True, check=True)
    return sum(map(int, children.stdout.split())) / 1024


class Server:
    def __init__(self, command, port):
        self.command, self.port = command, port
        # MLflow starts a program that lies beside it.
        path = f"{Path(command[0]).parent}{os.pathsep}{os.environ['PATH']}"
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ, "PATH": path})

    def __enter__(self):
        for _ in range(1200):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/ping", timeout=1)
                return self
            except OSError:
                time.sleep(0.1)
        self.__exit__()
        raise SystemExit(f"no answer within two minutes: {' '.join(map(str, self.command))}")

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(30)

    def load(self, script, seconds, connections=64):
        """Requests a second, median and 99th percentile in milliseconds, and how many requests failed."""
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "--timeout", "30s", "-s", script, f"http://127.0.0.1:{self.port}/invocations"]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        unit = {"us": 1e-3, "ms": 1.0, "s": 1e3}
        part = {share: float(value) * unit[u] for share, value, u in re.findall(r"(50|99)%\s+([\d.]+)(us|ms|s)", said)}
        failed = sum(map(int, re.findall(r"Non-2xx or 3xx responses: (\d+)", said)))
        return float(re.search(r"Requests/sec:\s+([\d.]+)", said)[1]), part["50"], part["99"], failed


class SlowClients:
    """Connections that send a byte of a request's head each second."""

    def __init__(self, port):
        self.port, self.is_over = port, threading.Event()
        self.thread = threading.Thread(target=lambda: asyncio.run(self.all()))

    def __enter__(self):
        self.thread.start()
        time.sleep(3)

    def __exit__(self, *_):
        self.is_over.set()
        self.thread.join()

    async def all(self):
        await asyncio.gather(*(self.one() for _ in range(SLOW)))

    async def one(self):
        while not self.is_over.is_set():
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                for byte in b"POST /invocations HTTP/1.1\r\nHost: localhost\r\nX-Slow: " + b"x" * 1000:
                    if self.is_over.is_set():
                        break
                    writer.write(bytes([byte]))
                    await writer.drain()
                    await asyncio.sleep(1)
                writer.close()
            except OSError:
                await asyncio.sleep(1)


def measure(program, mlflow, bundle, row, place, seconds, many):
    """Rows of the table: what, requests a second, p50, p99, megabytes."""
    script = Path(place) / "post.lua"
    script.write_text(POST.replace("{}", json.dumps({"dataframe_records": [row]})))
    rows = []

    def line(what, server, found):
        rate, median, last, failed = found
        rows.append((what + (f" ({failed} failed)" if failed else ""), f"{rate:,.0f}", f"{median:.2f} ms", f"{last:.2f} ms", f"{memory(server.process.pid):.0f} MB"))
        return rate

    port = free_port()
    with Server([program, "serve", str(bundle), "--port", str(port)], port) as server:
        server.load(script, 2)
        rate = line("recipe serve, 64 connections", server, server.load(script, seconds))
        with SlowClients(port):
            line(f"the same beside {SLOW:,} slow connections", server, server.load(script, seconds))
        if many:
            line(f"the same after {many:,} requests more", server, server.load(script, max(seconds, int(many / rate))))
    if mlflow.exists():
        port = free_port()
        with Server([mlflow, "models", "serve", "-m", str(bundle), "--env-manager", "local", "--host", "127.0.0.1", "--port", str(port)], port) as server:
            server.load(script, 2)
            line("mlflow models serve, 64 connections", server, server.load(script, seconds))
    return rows
