"""Packs a release from its wheel. Usage: pack.py WHEEL TARGET FOLDER, with the compiler's name for the platform.

Writes into FOLDER the wheel, an archive that unpacks into /usr/local, the bill of materials and SHA256SUMS. Times are
SOURCE_DATE_EPOCH and owners nobody's, so that the same wheel gives the same bytes.
"""

import gzip
import hashlib
import io
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile

DOCUMENTS = ["README.md", "CHANGELOG.md", "CITATION.cff", "LICENSE-MIT", "LICENSE-APACHE"]

# Where bash, zsh and fish look for completions below a prefix.
COMPLETIONS = {
    "bash": "share/bash-completion/completions/valuesim",
    "fish": "share/fish/vendor_completions.d/valuesim.fish",
    "zsh": "share/zsh/site-functions/_valuesim",
}


def main(wheel, target, folder):
    wheel, folder = pathlib.Path(wheel), pathlib.Path(folder)
    version = wheel.name.split("-")[1]
    name = f"valuesim-{version}-{target}"
    folder.mkdir(parents=True)
    shutil.copyfile(wheel, folder / wheel.name)
    with zipfile.ZipFile(wheel) as content:
        program = content.read(f"valuesim-{version}.data/scripts/valuesim")
        materials = content.read(f"valuesim-{version}.dist-info/sboms/valuesim.cyclonedx.json")
    (folder / f"{name}.cyclonedx.json").write_bytes(materials)
    write_archive(folder / f"{name}.tar.gz", name, files(program))
    write_checksums(folder)


def files(program):
    """What the archive holds: the content and the mode of each path."""
    packed = {"bin/valuesim": (program, 0o755)}
    with tempfile.TemporaryDirectory() as scratch:
        path = pathlib.Path(scratch, "valuesim")
        path.write_bytes(program)
        path.chmod(0o755)
        for shell, place in COMPLETIONS.items():
            packed[place] = (subprocess.check_output([path, "completions", shell]), 0o644)
        pages = pathlib.Path(scratch, "man1")
        subprocess.check_call([path, "man", "--output", pages])
        for page in pages.iterdir():
            packed[f"share/man/man1/{page.name}"] = (page.read_bytes(), 0o644)
    for document in DOCUMENTS:
        packed[f"share/doc/valuesim/{document}"] = (pathlib.Path(document).read_bytes(), 0o644)
    return packed


def write_archive(path, root, packed):
    with path.open("wb") as file, gzip.GzipFile("", "wb", fileobj=file, mtime=0) as zipped:
        with tarfile.open(fileobj=zipped, mode="w", format=tarfile.GNU_FORMAT) as archive:
            for name, (content, mode) in sorted(packed.items()):
                entry = tarfile.TarInfo(f"{root}/{name}")
                entry.size, entry.mode, entry.mtime = len(content), mode, int(os.environ["SOURCE_DATE_EPOCH"])
                archive.addfile(entry, io.BytesIO(content))


def write_checksums(folder):
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in sorted(folder.iterdir())]
    (folder / "SHA256SUMS").write_text("".join(lines))


if __name__ == "__main__":
    main(*sys.argv[1:])
