"""What a model of a file lost, after the file was read into it and written again."""


def lost(before, after, path=""):
    """The paths of keys of `before` that are not in `after`."""
    if isinstance(before, dict):
        for key, value in before.items():
            where = f"{path}.{key}".lstrip(".")
            if not isinstance(after, dict) or key not in after:
                yield where
            else:
                yield from lost(value, after[key], where)
    elif isinstance(before, list):
        for number, value in enumerate(before):
            yield from lost(value, after[number], f"{path}[{number}]")
