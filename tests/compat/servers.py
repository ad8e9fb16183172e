"""Starts servers on free ports, learns their addresses from what they print, and stops them."""

import os
import re
import subprocess
import threading
from contextlib import contextmanager

ADDRESS = re.compile(r"https?://[0-9a-zA-Z.\[\]:]+")
START_SECONDS = 30


@contextmanager
def server(command, environment=None):
    """Runs a server while the block runs; gives the address in the first line that has one."""
    process = subprocess.Popen(
        command,
        env={**os.environ, **(environment or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    # A server that never says where it is would be waited for without end.
    alarm = threading.Timer(START_SECONDS, process.kill)
    alarm.start()
    try:
        address = first_address(process, command)
        alarm.cancel()
        # What it prints later is read and dropped, so that it never waits for a reader.
        threading.Thread(target=lambda: process.stdout.read(), daemon=True).start()
        yield address
    finally:
        alarm.cancel()
        stop(process)


def first_address(process, command):
    said = []
    for line in process.stdout:
        said.append(line)
        if found := ADDRESS.search(line):
            return found.group()
    raise RuntimeError(f"{command[0]} ended or said no address within {START_SECONDS} s; it said: {''.join(said)}")


def stop(process):
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
