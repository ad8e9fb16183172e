"""Checks the dashboards: Grafana's own types hold all of them, panels are unique, the datasource is a variable, and promtool
parses each query. tests/alerts asks the queries."""

import json
import pathlib
import subprocess
import sys

import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from roundtrip import lost


def dashboards():
    register_default_plugins()
    for file in sorted(pathlib.Path("deploy/grafana/dashboards").glob("*.json")):
        dashboard = json.loads(file.read_text())
        again = json.loads(JSONEncoder().encode(Dashboard.from_json(dashboard)))
        if unknown := list(lost(dashboard, again)):
            sys.exit(f"{file}: Grafana does not know {', '.join(unknown)}")
        yield file, dashboard


def expressions():
    for file, dashboard in dashboards():
        panels = dashboard["panels"]
        if len({panel["id"] for panel in panels}) != len(panels):
            sys.exit(f"{file}: two panels have the same id")
        for panel in panels:
            if panel["datasource"]["uid"] != "${datasource}":
                sys.exit(f"{file}: {panel['title']}: expected the datasource as a variable")
            for target in panel["targets"]:
                query = target["expr"].replace("$__rate_interval", "5m").replace("$run", ".*").replace("$model", ".*")
                yield f"{file.stem}: {panel['title']}", query


def main():
    found = list(expressions())
    rules = [{"record": f"panel:{number}", "expr": query} for number, (_, query) in enumerate(found)]
    file = pathlib.Path(sys.argv[1]) / "dashboards.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboards", "rules": rules}]}))
    checked = subprocess.run(["promtool", "check", "rules", file], capture_output=True, text=True)
    if checked.returncode:
        sys.exit(checked.stdout + checked.stderr + "\n".join(f"panel:{n} is {name}" for n, (name, _) in enumerate(found)))
    print(f"{len(found)} queries parse")


main()
