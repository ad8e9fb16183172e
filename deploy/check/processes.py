"""Starts our containers of a rendered overlay as processes of the real binary, and lets their run finish.

Each gets a root of its own with nothing but the binary, its libraries, and the files that the manifest mounts, and runs as
user 65532, so that a wrong flag, path, port, probe or name of a Secret ends this check with an error. Needs root.
Usage: processes.py BINARY RENDERED BROKER STORE
"""

import base64
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

import yaml

USER = 65532
PATIENCE_SECONDS = 300


class Overlay:
    """The resources of an overlay, with the addresses in them led to servers of this machine."""

    def __init__(self, file, addresses):
        self.resources = list(yaml.safe_load_all(pathlib.Path(file).read_text()))
        self.addresses = addresses

    def find(self, kind, name):
        for resource in self.resources:
            if (resource["kind"], resource["metadata"]["name"]) == (kind, name):
                return resource
        sys.exit(f"the overlay names {kind} {name}, and has none")

    def pods(self):
        """Our pods, the provider first, because nobody waits for it."""
        ours = [r for r in self.resources if r["kind"] in ("Deployment", "Job")]
        ours.sort(key=lambda resource: "provider" not in resource["metadata"]["name"])
        return [(resource["metadata"]["name"], resource["spec"]["template"]["spec"]) for resource in ours]

    def here(self, text):
        for there, here in self.addresses.items():
            text = text.replace(there, here)
        return text

    def files(self, volume):
        """Names and contents of a volume's files; none where it is a folder to write to."""
        if "configMap" in volume:
            return self.find("ConfigMap", volume["configMap"]["name"])["data"]
        if "secret" in volume and not volume["secret"].get("optional"):
            data = self.find("Secret", volume["secret"]["secretName"])["data"]
            return {name: base64.b64decode(value).decode() for name, value in data.items()}
        return {}


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def copy(file, root):
    target = pathlib.Path(f"{root}{file}")
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(file, target)


def make_root(root, binary, overlay, spec, container):
    """What the image has, and what the manifest mounts."""
    os.chmod(root, 0o755)
    program = pathlib.Path(f"{root}/usr/local/bin/valuesim")
    program.parent.mkdir(parents=True)
    shutil.copy(binary, program)
    libraries = subprocess.run(["ldd", binary], capture_output=True, text=True, check=True).stdout
    for library in re.findall(r"(/\S+) \(", libraries) + ["/etc/ssl/certs/ca-certificates.crt"]:
        copy(library, root)
    services = [r["metadata"]["name"] for r in overlay.resources if r["kind"] == "Service"]
    pathlib.Path(f"{root}/etc/hosts").write_text(f"127.0.0.1 localhost {' '.join(services)}\n")
    pathlib.Path(f"{root}/etc/nsswitch.conf").write_text("hosts: files\n")
    volumes = {volume["name"]: volume for volume in spec["volumes"]} if "volumes" in spec else {}
    for mount in container.get("volumeMounts", []):
        folder = pathlib.Path(root + mount["mountPath"])
        folder.mkdir(parents=True)
        for name, content in overlay.files(volumes[mount["name"]]).items():
            (folder / name).write_text(overlay.here(content))
        if not mount.get("readOnly"):
            os.chown(folder, USER, USER)


class Process:
    """A container as a process, on a free port in place of its own."""

    def __init__(self, name, spec, binary, overlay, port):
        (self.container,) = spec["containers"]
        self.name, self.grace = name, spec["terminationGracePeriodSeconds"]
        (declared,) = self.container["ports"]
        self.port_names = {declared["name"]: port, declared["containerPort"]: port}
        self.root = tempfile.mkdtemp()
        make_root(self.root, binary, overlay, spec, self.container)
        here = lambda text: text.replace(f":{declared['containerPort']}", f":{port}")
        variables = {variable["name"]: here(variable["value"]) for variable in self.container.get("env", [])}
        arguments = [here(argument) for argument in self.container["args"]]
        chroot = shutil.which("chroot", path=os.environ["PATH"] + ":/usr/sbin")
        command = [chroot, f"--userspec={USER}:{USER}", self.root, "/usr/local/bin/valuesim", *arguments]
        self.said = open(f"{self.root}.said", "w+")
        self.process = subprocess.Popen(command, env=variables, stdout=self.said, stderr=subprocess.STDOUT)

    def fail(self, problem):
        self.said.seek(0)
        sys.exit(f"{self.name}: {problem}\n{self.said.read()}")

    def until_probed(self, probe):
        get = self.container[probe]["httpGet"]
        url = f"http://127.0.0.1:{self.port_names[get['port']]}{get['path']}"
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                return urllib.request.urlopen(url, timeout=5).close()
            except (urllib.error.URLError, OSError) as error:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    self.fail(f"{probe} {url}: {error}")
                time.sleep(0.1)

    def finish(self):
        if self.process.wait(PATIENCE_SECONDS) != 0:
            self.fail(f"exit code {self.process.returncode}")

    def stop(self):
        self.process.terminate()
        try:
            code = self.process.wait(self.grace)
        except subprocess.TimeoutExpired:
            self.fail(f"still there {self.grace} seconds after SIGTERM")
        if code != 0:
            self.fail(f"exit code {code} after SIGTERM")

    def remove(self):
        self.process.kill()
        self.process.wait()
        self.said.close()
        os.remove(self.said.name)
        shutil.rmtree(self.root)


def check(processes, binary):
    for process in processes:
        for probe in ("readinessProbe", "livenessProbe"):
            process.until_probed(probe)
    (coordinator,) = [process for process in processes if "coordinator" in process.name]
    # One that stops in the middle hands its work back; another finishes it.
    workers = [process for process in processes if "worker" in process.name]
    time.sleep(5)
    workers[0].stop()
    coordinator.finish()
    for process in processes:
        if process not in (coordinator, workers[0]):
            process.stop()
    runs = f"{coordinator.root}{dict((v['name'], v['value']) for v in coordinator.container['env'])['VALUESIM_RUNS']}"
    (run,) = os.listdir(runs)
    verified = subprocess.run([binary, "verify", run, "--complete", "--runs", runs], capture_output=True, text=True)
    if verified.returncode:
        sys.exit(verified.stdout + verified.stderr)
    print(f"{run} is sound and complete")


def main():
    binary, rendered, broker, store = sys.argv[1:]
    provider = free_port()
    addresses = {
        "amqp://valuesim:valuesim@valuesim-rabbitmq:5672": broker,
        "redis://valuesim-valkey:6379": store,
        "//valuesim-provider:8400/": f"//valuesim-provider:{provider}/",
    }
    overlay, processes = Overlay(rendered, addresses), []
    try:
        for name, spec in overlay.pods():
            # Two workers, as the overlay has: one is stopped in the middle.
            for _ in range(overlay.find("Deployment", name)["spec"]["replicas"] if "worker" in name else 1):
                port = provider if "provider" in name else free_port()
                processes.append(Process(name, spec, binary, overlay, port))
        check(processes, binary)
    finally:
        for process in processes:
            process.remove()


main()
