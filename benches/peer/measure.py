"""Runs a program and says how long it took, what it cost and how much memory it held.

Standard library only: a process's largest RSS counts that of the one it was forked from, so the one that measures stays small.
"""

import json
import os
import subprocess
import threading
import time

TICK = os.sysconf("SC_CLK_TCK")


class Measured:
    """Wall and CPU seconds, the largest RSS and anonymous memory in MB, and the events in the order they came."""

    def __init__(self, wall, cpu, rss, anonymous, events):
        self.wall, self.cpu, self.rss, self.anonymous, self.events = wall, cpu, rss, anonymous, events

    def step(self, name):
        """What recipe's `step_done` says of a step, with `cpu` seconds and the peak of `anonymous` memory in it."""
        return next(e for e in self.events if e.get("event") == "step_done" and e["step"] == name)


def anonymous_mb(pid):
    try:
        with open(f"/proc/{pid}/status") as status:
            return next((int(line.split()[1]) / 1024 for line in status if line.startswith("RssAnon")), 0.0)
    except OSError:
        return 0.0


def cpu_seconds(pid):
    try:
        with open(f"/proc/{pid}/stat") as stat:
            fields = stat.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICK
    except OSError:
        return 0.0


def measure(command, accept=(0,)):
    """Runs a command that writes JSON lines (or nothing) on stdout. Exit codes other than `accept` stop the benchmark."""
    # Errors go to a file that is never waited for, so a program that says much cannot block.
    with open(os.path.join(os.environ["BENCH_TEMP"], "stderr"), "w+") as errors:
        begin = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
        peak = {"whole": 0.0, "part": 0.0}
        done = threading.Event()

        def watch():
            while not done.is_set():
                now = anonymous_mb(process.pid)
                peak["whole"], peak["part"] = max(peak["whole"], now), max(peak["part"], now)
                time.sleep(0.01)

        watcher = threading.Thread(target=watch)
        watcher.start()
        events, before = [], 0.0
        for line in process.stdout:
            event = json.loads(line) if line.startswith("{") else {"text": line}
            if event.get("event") == "step_started":
                before, peak["part"] = cpu_seconds(process.pid), 0.0
            if event.get("event") == "step_done":
                event["cpu"], event["anonymous"] = cpu_seconds(process.pid) - before, peak["part"]
            events.append(event)
        _, status, used = os.wait4(process.pid, 0)
        wall = time.perf_counter() - begin
        done.set()
        watcher.join()
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode not in accept:
            errors.seek(0)
            raise SystemExit(f"{' '.join(command)}\nexit code {process.returncode}\n{errors.read()}")
        return Measured(wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, peak["whole"], events)
