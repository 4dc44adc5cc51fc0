#!/usr/bin/env python3
"""Checks that README and Docs are true; prints what does not hold, and then ends with 1.

  check_docs.py [BENCH_CLI]    (.build/release/bench-cli)

  - README has at most 130 lines, and no sentence of more than 30 words.
  - Docs name every file of Sources/Autograd/Ops.
  - README's programs are right by the compiler, against the modules beside the command; its Package.swift is a manifest.
  - Every command in README, CONTRIBUTING and Docs, and every example of the command's help, runs: in a folder of its
    own, with few and small steps. What would be downloaded comes from a server on this machine. What is left out is named.
"""
import http.server
import json
import os
import pathlib
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import threading

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md"] + sorted((ROOT / "Docs").glob("*.md"))
# What .ci/run does by itself, or what needs a GPU or a registry of another language.
LEFT_OUT = (
    "Scripts/", "Tools/", "swift format", "swift build", "swift package", "NANO_CUDA_LIBRARIES", "pip ",
    "python3 Tools", "nano-kimi-gpu/", "bench-cli bench device")
STEPS = ["--iterations", "4", "--eval-interval", "2", "--eval-iters", "2", "--batch", "4"]
STORIES = ["--size", "0.3M", "--context", "32"]
PLAY = "ROMEO:\nTo be, or not to be, that is the question.\n\n" * 400
# Words enough for a tokenizer of 330 pieces.
WORDS = "kite river window garden yellow little mother jumped under bridge happy morning rabbit carrot friend puddle".split()
STORIES_TOLD = [
    f"Once upon a time, a {WORDS[n % 16]} met a {WORDS[n // 16 % 16]} near the {WORDS[n * 7 % 16]}. They were {n} days old."
    for n in range(600)]
TALES = "".join(f"{tale}\n<|endoftext|>\n" for tale in STORIES_TOLD)


def prose_problems():
    text = (ROOT / "README.md").read_text()
    if text.count("\n") > 130:
        yield f"README.md has {text.count(chr(10))} lines"
    prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    prose = "\n".join("" if line.startswith(("|", "#", "!")) else line for line in prose.split("\n"))
    prose = re.sub(r"\n(- |\n)", "\n\n", prose)
    for paragraph in prose.split("\n\n"):
        plain = re.sub(r"\]\([^)]*\)", "]", paragraph.replace("\n", " "))
        for sentence in re.split(r"(?<=[.!?])\s+(?=[A-Z`\[*])", plain):
            if len(sentence.split()) > 30:
                yield f"README.md: {len(sentence.split())} words: {sentence.strip()}"


def operation_problems():
    written = "".join(page.read_text() for page in PAGES)
    for file in sorted((ROOT / "Sources/Autograd/Ops").glob("*.swift")):
        if re.search(r"^  public (static )?func", file.read_text(), re.MULTILINE) and f"Ops/{file.name}" not in written:
            yield f"Docs/Operations.md lacks {file.name}"


def program_problems(cli):
    built = pathlib.Path(cli).parent
    modules = ["-I", str(built / "Modules")]
    for file in built.glob("*.build/module.modulemap"):
        modules += ["-Xcc", f"-fmodule-map-file={file}"]
    for code in re.findall(r"```swift\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.DOTALL):
        with tempfile.TemporaryDirectory() as path:
            isManifest = "swift-tools-version" in code
            (pathlib.Path(path) / ("Package.swift" if isManifest else "main.swift")).write_text(code)
            command = ["swift", "package", "dump-package"] if isManifest else [
                "swiftc", "-typecheck", "-swift-version", "6", *modules, "main.swift"]
            result = subprocess.run(command, cwd=path, capture_output=True, text=True)
            if result.returncode or "warning:" in result.stderr:
                yield f"README.md: {code}\n{result.stderr}"


def commands(text):
    """The command lines of a page's shell blocks, without comments."""
    for block in re.findall(r"```sh\n(.*?)```", text, flags=re.DOTALL):
        for line in block.replace("\\\n", " ").split("\n"):
            line = re.sub(r"\s+#.*$", "", line).strip()
            for part in re.split(r"\s+&&\s+", line):
                if part:
                    yield part.replace("swift run -c release bench-cli", "bench-cli")


def examples(cli, path=()):
    """The examples of a command's help and of those below it, command by command."""
    text = subprocess.run([cli, *path, "--help"], check=True, capture_output=True, text=True).stdout
    yield path, re.findall(r"^  (bench-cli .*)$", text, flags=re.MULTILINE)
    below = re.search(r"SUBCOMMANDS:\n(.*?)\n\n", text + "\n\n", flags=re.DOTALL)
    for name in re.findall(r"^  ([a-z]+)", below.group(1), flags=re.MULTILINE) if below else []:
        if name != "help":
            yield from examples(cli, (*path, name))


def scaled(words, address):
    """A command with what makes it small; of a flag that is given twice the last one counts."""
    command = [word for word in words[1:3] if not word.startswith("-")]
    first = command[0] if command else "compare"
    if first == "data":
        return words + ["--url", address]
    if first in ("compare", "train"):
        isOfStories = "stories" in words
        return words + STEPS + (STORIES if isOfStories else []) + (
            ["--vocab", "330"] if isOfStories and "--tokenizer" not in words else [])
    if first == "race":
        # The published run has no small size.
        return [word for word in words if word != "--published"] + ["--steps", "2", "--seeds", "1"]
    if first in ("ablate", "study"):
        return words + STEPS + ["--seeds", "1"] + (["--tune-trials", "1"] if "--tune" in words else [])
    if first == "tokenize" and "--tokenizer" not in words:
        return words + ["--vocab", "330"]
    if command == ["bench", "step"]:
        return words + ["--steps", "2"] + (STORIES if "stories" in words else [])
    if command == ["bench", "ops"] and "--only" not in words:
        return words + ["--only", "add"]
    if command == ["bench", "generate"]:
        return words + ["--tokens", "4", "--prompt", "8", "--repeats", "1"]
    if first in ("generate", "sample") and "--tokens" not in words:
        return words + ["--tokens", "20"]
    return words


class Server(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = (PLAY if self.path.endswith("input.txt") else TALES).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Folder:
    """A folder in which commands run."""

    def __init__(self, cli, address, path):
        self.cli, self.address, self.path = cli, address, path
        self.environment = {**os.environ, "NANO_KIMI_CACHE": str(path / "cache")}
        (path / "Docs").mkdir()

    def run(self, line):
        """What went wrong; nil if nothing."""
        words, target = shlex.split(line), None
        if words[1:2] == ["serve"]:
            return self.run_server(words[1:], line)
        if ">" in words:
            words, target = words[:words.index(">")], words[words.index(">") + 1]
        result = subprocess.run(
            [self.cli] + scaled(words, self.address)[1:], cwd=self.path, env=self.environment, capture_output=True,
            text=True, stdin=subprocess.DEVNULL)
        if target:
            (self.path / target).write_text(result.stdout)
        return f"{line}\n  ended with {result.returncode}: {result.stderr.strip()[-300:]}" if result.returncode else None

    def run_server(self, words, line):
        """A server has begun when it says where it is, and is then asked to end."""
        server = subprocess.Popen(
            [self.cli, *words, "--port", "0"], cwd=self.path, env=self.environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        lines = []
        for text in server.stdout:
            lines.append(text)
            if "http://" in text:
                break
        server.terminate()  # SIGINT is ignored by what a script has started in the background
        lines += server.stdout
        has_begun = any("http://" in text for text in lines)
        return None if has_begun and server.wait() in (0, -signal.SIGTERM) else f"{line}\n  ended: {''.join(lines)[-300:]}"

    def prepare(self, path):
        """What examples of a command take for granted."""
        (self.path / "other.txt").write_text(TALES)
        (self.path / "mine.json").write_text('{"grid": {"model": ["nanogpt"], "lr": ["0.001", "0.004"]}}')
        (self.path / "stories.jsonl").write_text("".join(json.dumps({"text": tale}) + "\n" for tale in STORIES_TOLD))
        if not (self.path / "data").exists() and (problem := self.run("bench-cli data tinystories")):
            return problem
        models = "nanokimik2" if path[:1] in (("export",), ("import",)) else "nanogpt,nanokimi,nanokimik2"
        name = "-".join(path) or "all"
        if path == ("prune",):
            return self.run("bench-cli train --model nanokimi --out runs/for-prune")
        return self.run(f"bench-cli compare --preset stories --models {models} --out runs/for-{name}")


def command_problems(cli):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    count = 0
    for page in PAGES:
        with tempfile.TemporaryDirectory() as path:
            folder = Folder(cli, address, pathlib.Path(path))
            for line in commands(page.read_text()):
                if not line.startswith("bench-cli") or line.startswith(LEFT_OUT):
                    print(f"left out: {line}")
                elif problem := folder.run(line):
                    yield f"{page.name}: {problem}"
                count += 1
    with tempfile.TemporaryDirectory() as path:
        folder = Folder(cli, address, pathlib.Path(path))
        for command, lines in examples(cli):
            if problem := folder.prepare(command):
                yield problem
            for line in lines:
                if line.startswith(LEFT_OUT):
                    continue
                if problem := folder.run(line):
                    yield f"help: {problem}"
                count += 1
    print(f"{count} commands")


def main():
    cli = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else ROOT / ".build/release/bench-cli")
    problems = [
        *prose_problems(), *operation_problems(), *program_problems(cli), *command_problems(cli)]
    print("\n".join(problems) or "README and Docs hold.")
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
