#!/usr/bin/env python3
"""Checks that modules know only what lies below them; prints what does not hold, and then ends with 1.

  - A Swift file imports only what its target declares in Package.swift, and a target declares only what one imports.
  - The tests of a module stand on the module, on what it stands on, and on no other.
  - Under Sources, only Tensor imports CNanoKernels.
  - Under Sources, a flag of the command line stands nowhere but in BenchCLI.
"""
import json
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
# What comes with Swift, and what swift-testing's users import.
SYSTEM = {"Darwin", "Dispatch", "Foundation", "FoundationNetworking", "Glibc", "Synchronization", "Testing"}
IMPORT = re.compile(
    r"^\s*(?:@\w+\s+)*(?:(?:public|package|internal|fileprivate|private)\s+)?import\s+"
    r"(?:(?:struct|class|enum|protocol|func|let|var|typealias)\s+)?(\w+)", re.MULTILINE)
# Options of NVIDIA's compiler look like flags, and so do properties of a style sheet: `--ink: black`, `var(--ink)`.
FLAG = re.compile(r"(?<![\w-])(?<!var\()--(?!gpu-architecture|std=)[a-z][a-z0-9-]+(?![a-z0-9-]*:)")


def manifest():
    """Every target's name, folder and declared modules."""
    text = subprocess.run(
        ["swift", "package", "dump-package"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for target in json.loads(text)["targets"]:
        parent = "Tests" if target["type"] == "test" else "Sources"
        folder = ROOT / (target.get("path") or f"{parent}/{target['name']}")
        declared = {next(iter(dependency.values()))[0] for dependency in target["dependencies"]}
        yield target["name"], folder, declared


def reached(name, targets):
    """The modules that a target stands on, itself included."""
    found, left = set(), [name]
    while left:
        module = left.pop()
        if module not in found:
            found.add(module)
            left += targets.get(module, (None, ()))[1]
    return found


def problems():
    targets = {name: (folder, declared) for name, folder, declared in manifest()}
    shared = {name for name, (folder, _) in targets.items() if folder.is_relative_to(ROOT / "Tests")}
    for name in sorted(targets):
        module = name.removesuffix("Tests")
        if module != name:
            for other in sorted(reached(name, targets) - reached(module, targets) - shared):
                yield f"Package.swift: {name} stands on {other}, on which {module} does not stand"
    for name, (folder, declared) in targets.items():
        files = sorted(folder.rglob("*.swift"))
        imported = set()
        for file in files:
            for module in IMPORT.findall(file.read_text()):
                imported.add(module)
                if module not in declared | SYSTEM:
                    yield f"{file.relative_to(ROOT)}: imports {module}, which {name} does not declare in Package.swift"
        if files:
            for module in sorted(declared - imported):
                yield f"Package.swift: {name} declares {module}, which none of its files imports"
    for file in sorted((ROOT / "Sources").rglob("*.swift")):
        path, text = file.relative_to(ROOT), file.read_text()
        if path.parts[1] != "Tensor" and "CNanoKernels" in IMPORT.findall(text):
            yield f"{path}: imports CNanoKernels, which only Tensor may"
        if path.parts[1] != "BenchCLI":
            for number, line in enumerate(text.splitlines(), 1):
                for flag in FLAG.findall(line):
                    yield f"{path}:{number}: names the flag {flag}, which only BenchCLI knows"


found = list(problems())
print("\n".join(found) or "Imports and flags are where they belong.")
sys.exit(1 if found else 0)
