"""Holds supply-chain/README.md against Cargo.lock: each crate that does cryptography is there, in its version."""

import re
import sys
import tomllib

# Whoever depends on one of these does cryptography, or is one of them.
MARKS = {"aws-lc-sys", "crypto-common", "ctutils", "curve25519-dalek", "graviola", "ring", "subtle", "zeroize"}

with open("Cargo.lock", "rb") as file:
    locked = [package for package in tomllib.load(file)["package"] if "source" in package]
with open("supply-chain/README.md") as file:
    listed = set(re.findall(r"`([a-z0-9_-]+ \d+\.\d+\.\d+)`", file.read()))

versions = {f"{package['name']} {package['version']}" for package in locked}
needed = {
    f"{package['name']} {package['version']}"
    for package in locked
    if MARKS & {package["name"], *(line.split()[0] for line in package.get("dependencies", []))}
}
for text, crates in [("not listed", needed - listed), ("not locked", listed - versions)]:
    for crate in sorted(crates):
        print(f"supply-chain/README.md: {text}: {crate}")
sys.exit(bool(needed - listed or listed - versions))
