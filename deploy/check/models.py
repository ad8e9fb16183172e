"""Reads custom resources with typed models of their operators: each must be valid, and come back with every key."""

import importlib
import sys

import yaml

from roundtrip import lost

MODULES = {
    "keda.sh/v1alpha1": "cloudcoil.models.keda.v1alpha1",
    "monitoring.coreos.com/v1": "cloudcoil.models.prometheus_operator.v1",
}
# Newer than the models that can be installed.
NEWER = {"spec.fallback.behavior"}


def main():
    checked, wrong = 0, []
    for resource in yaml.safe_load_all(open(sys.argv[1])):
        module = MODULES.get(resource["apiVersion"])
        if module is None:
            continue
        model = getattr(importlib.import_module(module), resource["kind"])
        # Strict about keys, where the model itself would drop them silently: what is lost is unknown.
        again = model.model_validate(resource).model_dump(mode="json", by_alias=True, exclude_none=True)
        wrong += [f"{resource['kind']} {resource['metadata']['name']}: {key}" for key in lost(resource, again) if key not in NEWER]
        checked += 1
    print(f"{checked} resources checked")
    if wrong:
        sys.exit("unknown keys: " + ", ".join(wrong))


main()
