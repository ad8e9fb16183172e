"""Checks a bill of materials: valid CycloneDX, and every component is a package of Cargo.lock. Usage: materials.py FILE."""

import json
import pathlib
import sys
import tomllib

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator


def main(path):
    text = pathlib.Path(path).read_text()
    bill = json.loads(text)
    problem = JsonStrictValidator(SchemaVersion.from_version(bill["specVersion"])).validate_str(text)
    locked = {(package["name"], package["version"]) for package in tomllib.loads(pathlib.Path("Cargo.lock").read_text())["package"]}
    listed = {(component["name"], component["version"]) for component in bill["components"]}
    # A component without a licence is one of ours that forgot to say it, or a dependency that nobody may pass on.
    unlicensed = [component["name"] for component in bill["components"] if not component.get("licenses")]
    print(f"{len(listed)} components; not in Cargo.lock: {listed - locked}; without a licence: {unlicensed}; {problem or 'valid'}")
    return 1 if problem or listed - locked or unlicensed or len(listed) < 100 else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
