"""Says which locked dependency of the workspace needs a newer Rust than the one given."""

import json
import subprocess
import sys


def version(text):
    return tuple(int(part) for part in text.split("."))[:2]


allowed = version(sys.argv[1])
metadata = json.loads(
    subprocess.check_output(
        ["cargo", "metadata", "--locked", "--all-features", "--format-version", "1"]
    )
)
newer = [
    f"{package['name']} {package['version']} needs {package['rust_version']}"
    for package in metadata["packages"]
    if package["rust_version"] and version(package["rust_version"]) > allowed
]
print(*newer, sep="\n")
sys.exit(bool(newer))
