#!/usr/bin/env python3
"""Runs bench-cli on several hosts, which are network namespaces of this machine, over links of a chosen speed.

    Tools/mpi/namespaces.py BENCH_CLI FOLDER --ranks 2,4 --bandwidth 10,1 --delay 0.1,1

Needs Linux, root, Open MPI, iproute2 and a C compiler. Each host has one rank of one thread and a link to a switch. The
kernel's token bucket limits the links' bandwidth (Gbit/s, each way), and a forwarding process, delay.c, holds what passes
the switch (ms from host to host). Links without limits come first.

Every run must give the weights of one process, or the script ends with 1. Hosts share this machine's processors, so what
a link costs is what a step takes beyond one of the same ranks without limits. One line a link is printed; FOLDER/links.json
has the same, for cost.py.
"""

import argparse
import atexit
import ctypes
import fcntl
import hashlib
import itertools
import json
import os
import random
import socket
import statistics
import struct
import subprocess
from pathlib import Path

NETWORK = "10.213.7"
RUN = (
    "train --preset stories --model nanogpt --vocab 600 --batch 4 --context 8 --shards 4 --device cpu"
    " --quiet --eval-interval 1000"
)


def call(*words, check=True):
    result = subprocess.run([str(word) for word in words], capture_output=True, text=True)
    if check and result.returncode != 0:
        raise SystemExit(f"{' '.join(map(str, words))}: {result.stdout}{result.stderr}")
    return result


def host(number):
    return f"nkhost{number}"


def compute_checksums(interface):
    """Before frames leave: the kernel would leave that to a network card, and here is none."""
    value = ctypes.create_string_buffer(struct.pack("II", 0x17, 0))  # ETHTOOL_STXCSUM
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as handle:
        fcntl.ioctl(handle, 0x8946, struct.pack("16sP8x", interface.encode(), ctypes.addressof(value)))  # SIOCETHTOOL


def remove_hosts(count):
    call("ip", "link", "del", "nkswitch", check=False)
    for number in range(count):
        call("ip", "link", "del", f"nkport{number}", check=False)
        call("ip", "netns", "del", host(number), check=False)


def limit(words, bandwidth):
    """Has the bandwidth of an interface, named in the words of a `tc` command, or none."""
    if bandwidth:
        call(*words, "root", "tbf", "rate", f"{bandwidth}gbit", "burst", "512kb", "latency", "100ms")


class Hosts:
    """Namespaces with a link each to a switch. With a delay the switch is a process, else a bridge."""

    def __init__(self, count, bandwidth, delay, delay_program):
        self.count, self.switch = count, None
        remove_hosts(count)
        for number in range(count):
            outer, inner = f"nkport{number}", f"nklink{number}"
            call("ip", "netns", "add", host(number))
            call("ip", "link", "add", outer, "mtu", 65535, "type", "veth", "peer", "name", inner, "mtu", 65535)
            compute_checksums(inner)
            call("ip", "link", "set", inner, "netns", host(number))
            inside = ["ip", "netns", "exec", host(number)]
            call(*inside, "ip", "addr", "add", f"{NETWORK}.{number + 1}/24", "dev", inner)
            call(*inside, "ip", "link", "set", "lo", "up")
            call(*inside, "ip", "link", "set", inner, "up")
            call("ip", "link", "set", outer, "up")
            limit([*inside, "tc", "qdisc", "add", "dev", inner], bandwidth)
            limit(["tc", "qdisc", "add", "dev", outer], bandwidth)
        ports = [f"nkport{number}" for number in range(count)]
        if delay:
            self.switch = subprocess.Popen([delay_program, str(int(delay * 1000)), *ports])
        else:
            call("ip", "link", "add", "nkswitch", "mtu", 65535, "type", "bridge")
            for port in ports:
                call("ip", "link", "set", port, "master", "nkswitch")
            call("ip", "link", "set", "nkswitch", "up")

    def command(self, agent):
        """What has mpirun start a process on each host."""
        hosts = ",".join(f"{NETWORK}.{number + 1}" for number in range(self.count))
        return [
            *["ip", "netns", "exec", host(0), "mpirun.openmpi", "-np", str(self.count), "--host", hosts],
            *["--map-by", "node", "--bind-to", "none", "--mca", "plm_rsh_agent", agent, "--mca", "btl", "tcp,self"],
            *["--mca", "btl_tcp_if_include", f"{NETWORK}.0/24", "--mca", "oob_tcp_if_include", f"{NETWORK}.0/24"],
            *["-x", "NANO_THREADS"],
        ]

    def remove(self):
        if self.switch:
            self.switch.terminate()
            self.switch.wait()
        remove_hosts(self.count)


def write_text(path):
    """Stories with enough words for a tokenizer."""
    generator = random.Random(3)
    syllables = [first + second for first in "bdfgklmnprst" for second in ["a", "e", "i", "o", "u"]]
    words = ["".join(generator.choices(syllables, k=generator.randint(1, 3))) for _ in range(500)]
    with open(path, "w") as file:
        for _ in range(200):
            for _ in range(8):
                file.write(" ".join(generator.choices(words, k=8)).capitalize() + ". ")
            file.write("\n<|endoftext|>\n")


def outcome(folder):
    """A hash of all weights, and the seconds of a step, the first ones left out."""
    hash = hashlib.sha256()
    for path in sorted(folder.rglob("last/*.safetensors")):
        hash.update(path.read_bytes())
    records = [json.loads(line) for path in folder.rglob("metrics.jsonl") for line in path.open()]
    return hash.hexdigest(), [record["seconds"] for record in records[2:]]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    numbers = lambda kind: lambda text: [kind(word) for word in text.split(",")]  # noqa: E731
    parser.add_argument("bench")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--ranks", type=numbers(int), default=[2, 4])
    parser.add_argument("--bandwidth", type=numbers(float), default=[10, 1], help="Gbit/s")
    parser.add_argument("--delay", type=numbers(float), default=[0.1, 1], help="ms, one way")
    parser.add_argument("--size", default="10M")
    parser.add_argument("--steps", type=int, default=12)
    arguments = parser.parse_args()
    bench, folder = Path(arguments.bench).resolve(), arguments.folder.resolve()
    folder.mkdir()
    os.environ.update(NANO_THREADS="1", OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1")

    delay_program, agent, text = folder / "delay", folder / "agent", folder / "stories.txt"
    call("cc", "-O2", "-o", delay_program, Path(__file__).with_name("delay.c"))
    # In place of ssh. A host has a name of its own: Open MPI tells hosts apart by it.
    agent.write_text(
        "#!/bin/sh\n"
        'name=nkhost$((${1##*.} - 1))\nshift\n'
        f"""exec ip netns exec $name unshare --uts sh -c "hostname $name; $*"\n"""
    )
    agent.chmod(0o755)
    write_text(text)
    run = [bench, *RUN.split(), "--data", text, "--size", arguments.size, "--iterations", arguments.steps]

    call(*run, "--out", folder / "alone")
    weights, seconds = outcome(folder / "alone")
    parameters = json.loads(next((folder / "alone").rglob("result.json")).read_text())["parameters"]
    print(f"one process: {statistics.median(seconds):.3f} s a step", flush=True)
    found = []
    links = [(0, 0), *itertools.product(arguments.bandwidth, arguments.delay)]
    for ranks, (bandwidth, delay) in itertools.product(arguments.ranks, links):
        atexit.register(remove_hosts, ranks)
        hosts = Hosts(ranks, bandwidth, delay, delay_program)
        out = folder / f"{ranks}-{bandwidth:g}-{delay:g}"
        call(*hosts.command(agent), *run, "--out", out)
        hosts.remove()
        here, seconds = outcome(out)
        if here != weights:
            raise SystemExit(f"{out}: other weights than of one process")
        median, least = statistics.median(seconds), min(seconds)
        found.append(
            {"ranks": ranks, "bandwidth": bandwidth, "delay": delay, "parameters": parameters, "seconds": median}
            | {"least": least, "steps": len(seconds)}
        )
        link = f"{bandwidth:g} Gbit/s, {delay:g} ms" if bandwidth else "no limits"
        print(f"{ranks} hosts, {link}: {median:.3f} s a step (least {least:.3f}), the same weights", flush=True)
    (folder / "links.json").write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
