#!/usr/bin/env python3
"""What communication adds to a step, fitted to the links.json of namespaces.py, for more hosts and larger models.

    Tools/mpi/cost.py [FOLDER/links.json]

A step on N hosts takes  computing / N + seconds of communication, which are

    beta * 4 P / B * (1 + (N - 1) / N)  +  lambda * (N - 1) * L  +  2 (N - 1) * c / B

P parameters of 4 bytes go once along the chain of ranks to be added and (N - 1) / N of them to their owners, at the same
time; then once around the ring, all but each rank's own. B is the bandwidth in bytes a second, L the delay of a link, c a
chunk of 1 MiB, which fills the chain and the ring. beta and lambda are fitted to the fastest steps, since others may use the
machine; without a file they are 1 and 10.
"""

import json
import sys

CHUNK = 1 << 20
SIZES = {"10M": 10e6, "30M": 30e6, "124M": 124e6}
RATE = 4800 * 10e6  # tokens a second times parameters, of four cores: Docs/Measurements.md, NanoKimiK2 10M in float32


def parts(parameters, hosts, gigabits, milliseconds):
    """What beta and lambda multiply, and the rest."""
    bytes_a_second = gigabits * 1e9 / 8 if gigabits else float("inf")
    return (
        4 * parameters / bytes_a_second * (1 + (hosts - 1) / hosts),
        (hosts - 1) * milliseconds / 1000,
        2 * (hosts - 1) * CHUNK / bytes_a_second,
    )


def fit(links):
    """beta and lambda by least squares, on what a link adds to the same ranks' step without limits."""
    free = {link["ranks"]: link["least"] for link in links if not link["bandwidth"] and not link["delay"]}
    rows = []
    for link in links:
        if link["bandwidth"] or link["delay"]:
            beta, latency, rest = parts(link["parameters"], link["ranks"], link["bandwidth"], link["delay"])
            rows.append((beta, latency, link["least"] - free[link["ranks"]] - rest, link))
    aa, ab, bb = (sum(x * y for x, y in pairs) for pairs in (
        [(a, a) for a, _, _, _ in rows], [(a, b) for a, b, _, _ in rows], [(b, b) for _, b, _, _ in rows]))
    ay, by = sum(a * y for a, _, y, _ in rows), sum(b * y for _, b, y, _ in rows)
    determinant = aa * bb - ab * ab
    beta, latency = (ay * bb - by * ab) / determinant, (by * aa - ay * ab) / determinant
    print("| hosts | Gbit/s | delay, ms | a link adds, s | by the model, s |\n|--:|--:|--:|--:|--:|")
    for a, b, y, link in rows:
        rest = link["least"] - free[link["ranks"]] - y
        print(
            f"| {link['ranks']} | {link['bandwidth'] or 'no limit'} | {link['delay']} | {y + rest:.3f} "
            f"| {beta * a + latency * b + rest:.3f} |")
    return beta, latency


def main():
    beta, latency = fit(json.load(open(sys.argv[1]))) if len(sys.argv) > 1 else (1, 10)
    print(f"\nbeta {beta:.2f}, lambda {latency:.1f}\n")
    hosts = [2, 4, 8, 16, 32, 64]
    links = [(name, size, *link) for name, size in SIZES.items() for link in [(1, 0.1), (10, 0.1), (10, 1)]]

    def table(title, cell):
        print(f"\n{title}:\n\n| parameters | Gbit/s | delay, ms |" + "".join(f" {n} hosts |" for n in hosts))
        print("|--:|--:|--:|" + "--:|" * len(hosts))
        for name, size, gigabits, milliseconds in links:
            print(f"| {name} | {gigabits} | {milliseconds} |", *(cell(size, n, gigabits, milliseconds) for n in hosts))

    def seconds(size, count, gigabits, milliseconds):
        a, b, rest = parts(size, count, gigabits, milliseconds)
        return beta * a + latency * b + rest

    table("Seconds of communication a step", lambda *link: f"{seconds(*link):.2g} |")
    table(
        "Tokens of a step on each host, of which communication is a fifth",
        lambda size, *link: f"{4 * seconds(size, *link) * RATE / size:,.0f} |",
    )


if __name__ == "__main__":
    main()
