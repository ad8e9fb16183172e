"""Starts servers on free ports, reads their addresses from their output, and stops them."""

import os
import re
import subprocess
import threading
from contextlib import contextmanager

ADDRESS = re.compile(r"https?://[0-9a-zA-Z.\[\]:]+")
START_SECONDS = 30


@contextmanager
def server(command, environment=None):
    """Runs a server for the duration of the block; yields the first address that it prints."""
    process = subprocess.Popen(
        command,
        env={**os.environ, **(environment or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    # Without this, a server that never prints an address would be waited for forever.
    alarm = threading.Timer(START_SECONDS, process.kill)
    alarm.start()
    try:
        address = first_address(process, command)
        alarm.cancel()
        # Discards its later output, so that it never blocks on a full pipe.
        threading.Thread(target=lambda: process.stdout.read(), daemon=True).start()
        yield address
    finally:
        alarm.cancel()
        stop(process)


def first_address(process, command):
    output = []
    for line in process.stdout:
        output.append(line)
        if found := ADDRESS.search(line):
            return found.group()
    raise RuntimeError(f"{command[0]} ended or printed no address within {START_SECONDS} s; output: {''.join(output)}")


def stop(process):
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
