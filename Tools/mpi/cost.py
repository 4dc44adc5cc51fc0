#!/usr/bin/env python3
"""What communication adds to a step, fitted to the links.json of namespaces.py, for more hosts and larger models.

    Tools/mpi/cost.py [FOLDER/links.json ...]

A step on N hosts takes  computing / N + seconds of communication, which are

    beta * D / B  +  2 (N - 1) * c / B  +  lambda * m * L,      D = 4 P (1 + (N - 1) / N),      m = D / c + 2 (N - 1)

P parameters of 4 bytes go once along the chain of ranks to be added and (N - 1) / N of them to their owners, at the same
time; then once around the ring, all but each rank's own: D bytes. B is the bandwidth in bytes a second, L the delay of a link,
c a message of 1 MiB, which fills the chain and the ring. Each of m messages waits lambda delays to be asked for, sent and
answered. What one costs beside that, on namespaces that share two processors with the process that delays them, is fitted
too, and left out of what is foretold. The fit is to the fastest steps, since others may use the machine; without a file beta
and lambda are those of Docs/Machines.md.
"""

import json
import sys

CHUNK = 1 << 20
SIZES = {"10M": 10e6, "30M": 30e6, "124M": 124e6}
RATE = 4800 * 10e6  # tokens a second times parameters, of four cores: Docs/Measurements.md, NanoKimiK2 10M in float32
FITTED = (0.62, 2.53)


def parts(parameters, hosts, gigabits, milliseconds):
    """What beta and lambda multiply, the messages, and the rest."""
    bytes_a_second = gigabits * 1e9 / 8 if gigabits else float("inf")
    sent = 4 * parameters * (1 + (hosts - 1) / hosts)
    messages = sent / CHUNK + 2 * (hosts - 1)
    return (sent / bytes_a_second, messages * milliseconds / 1000, messages), 2 * (hosts - 1) * CHUNK / bytes_a_second


def solved(matrix, right):
    """The solution of linear equations, by elimination."""
    rows = [[*row, value] for row, value in zip(matrix, right)]
    for i in range(len(rows)):
        pivot = max(range(i, len(rows)), key=lambda k: abs(rows[k][i]))
        rows[i], rows[pivot] = rows[pivot], rows[i]
        for k in range(len(rows)):
            if k != i:
                factor = rows[k][i] / rows[i][i]
                rows[k] = [x - factor * y for x, y in zip(rows[k], rows[i])]
    return [row[-1] / row[i] for i, row in enumerate(rows)]


def fit(links):
    """beta, lambda and what a message costs beside, by least squares, on what a link adds to the same ranks' step without limits."""
    kind = lambda link: (link["ranks"], link["parameters"])  # noqa: E731
    free = {kind(link): link["least"] for link in links if not link["bandwidth"] and not link["delay"]}
    rows = []
    for link in links:
        if link["bandwidth"] or link["delay"]:
            factors, rest = parts(link["parameters"], link["ranks"], link["bandwidth"], link["delay"])
            rows.append((factors, rest, link["least"] - free[kind(link)], link))
    found = solved(
        [[sum(f[i] * f[j] for f, *_ in rows) for j in range(3)] for i in range(3)],
        [sum(f[i] * (added - rest) for f, rest, added, _ in rows) for i in range(3)])
    print("| hosts | parameters | Gbit/s | delay, ms | a link adds, s | by the model, s |\n|--:|--:|--:|--:|--:|--:|")
    for factors, rest, added, link in rows:
        print(
            f"| {link['ranks']} | {link['parameters'] / 1e6:.1f}M | {link['bandwidth'] or 'no limit'} | {link['delay']} "
            f"| {added:.3f} | {sum(a * b for a, b in zip(found, factors)) + rest:.3f} |")
    return found


def main():
    beta, latency = FITTED
    if len(sys.argv) > 1:
        beta, latency, beside = fit([link for path in sys.argv[1:] for link in json.load(open(path))])
        print(f"\nbeside that a message costs {1000 * beside:.1f} ms here")
    print(f"\nbeta {beta:.2f}, lambda {latency:.2f}\n")
    hosts = [2, 4, 8, 16, 32, 64]
    links = [(name, size, *link) for name, size in SIZES.items() for link in [(1, 0.1), (10, 0.1), (10, 1)]]

    def table(title, cell):
        print(f"\n{title}:\n\n| parameters | Gbit/s | delay, ms |" + "".join(f" {n} hosts |" for n in hosts))
        print("|--:|--:|--:|" + "--:|" * len(hosts))
        for name, size, gigabits, milliseconds in links:
            print(f"| {name} | {gigabits} | {milliseconds} |", *(cell(size, n, gigabits, milliseconds) for n in hosts))

    def seconds(size, count, gigabits, milliseconds):
        (sent, delays, _), rest = parts(size, count, gigabits, milliseconds)
        return beta * sent + latency * delays + rest

    table("Seconds of communication a step", lambda *link: f"{seconds(*link):.2g} |")
    table(
        "Tokens of a step on each host, of which communication is a fifth",
        lambda size, *link: f"{4 * seconds(size, *link) * RATE / size:,.0f} |",
    )


if __name__ == "__main__":
    main()
