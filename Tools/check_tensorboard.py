#!/usr/bin/env python3
"""Reads the event files of a study's runs with TensorBoard's own package (`pip install tensorboard`), and compares every
point with metrics.jsonl and the curve in results.json: each must be there once. Usage: check_tensorboard.py FOLDER."""
import json
import pathlib
import sys

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator


def points(events, tag):
    """Step and value, whatever form the package keeps a number in."""
    if tag in events.Tags()["scalars"]:
        return [(event.step, event.value) for event in events.Scalars(tag)]
    return [(event.step, event.tensor_proto.float_val[0]) for event in events.Tensors(tag)]


def same(found, expected):
    return [step for step, _ in found] == [step for step, _ in expected] and all(
        abs(a - b) <= 1e-6 * max(1, abs(b)) for (_, a), (_, b) in zip(found, expected))


def check(run, curve):
    events = EventAccumulator(str(run), size_guidance={"scalars": 0, "tensors": 0})
    events.Reload()
    records = [json.loads(line) for line in (run / "metrics.jsonl").open()]
    wanted = {
        "training/nll": [(record["step"], record["nll"]) for record in records],
        "memory/tensors_MB": [(record["step"], record["currentTensorBytes"] / 1e6) for record in records],
        "evaluation/validation_nll": [
            (point["step"], point.get("nllOfWindows", point["validation"]["nllPerToken"])) for point in curve],
    }
    for tag, expected in wanted.items():
        found = points(events, tag)
        if not same(found, expected):
            yield f"{run}: {tag} has the steps {[p[0] for p in found]}, not {[p[0] for p in expected]}, or other values"


def main(folder):
    results = json.loads((folder / "results.json").read_text())
    several = len(results["study"]["seeds"]) > 1
    problems, count = [], 0
    for model in results["models"]:
        run = folder / (f"{model['name']}-seed{model['seed']}" if several else model["name"])
        count += len(list(run.glob("events.out.tfevents.*")))
        problems += check(run, model["curve"])
    print("\n".join(problems) or f"{count} event files hold every point once.")
    return 1 if problems else 0


sys.exit(main(pathlib.Path(sys.argv[1])))
