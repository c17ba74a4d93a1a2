"""Times of other runtimes and ours on the same model, taken in turns: `cargo xtask peers` runs it.

    peers.py TIMED ROUNDS MODELS.json

TIMED is our program (`tanbo-timed`; the one that runs rten lies beside it), MODELS.json a list of models as `cargo xtask peers` writes it: name, our artifact, and
files of the other runtimes. Prints one JSON document: for each model the nanoseconds of one inference of each runtime, round
by round. Every runtime has one thread, and all run on one CPU, one after another in each round.
"""

import json
import os
import subprocess
import sys
import time

import numpy as np

SLOT_NS = 5_000_000
"""How long a runtime runs in one round."""


def samples(shape, dtype):
    rng = np.random.default_rng(1)
    if np.issubdtype(dtype, np.integer):
        limits = np.iinfo(dtype)
        return rng.integers(limits.min, limits.max, shape, dtype, endpoint=True)
    return rng.standard_normal(shape).astype(dtype)


def onnx_runtime(path):
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    types = {"tensor(float)": np.float32, "tensor(int8)": np.int8, "tensor(uint8)": np.uint8}
    # Bound once: its interface to Python then costs the least.
    binding = session.io_binding()
    for i in session.get_inputs():
        shape = [n if isinstance(n, int) else 1 for n in i.shape]
        binding.bind_cpu_input(i.name, samples(shape, types[i.type]))
    for o in session.get_outputs():
        binding.bind_output(o.name)
    return lambda: session.run_with_iobinding(binding)


def litert(path):
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=path, num_threads=1)
    interpreter.allocate_tensors()
    feeds = [(i["index"], samples(i["shape"], i["dtype"])) for i in interpreter.get_input_details()]

    def run():
        # XNNPACK works in the input tensors: they are written before each inference, as ours are.
        for index, value in feeds:
            interpreter.set_tensor(index, value)
        interpreter.invoke()

    return run


def tract(path):
    import tract as runtime

    model = runtime.onnx().load(path).into_model()
    # Before the model is prepared, which uses it up.
    feeds = [samples(fact_shape(model.input_fact(i)), np.float32) for i in range(model.input_count())]
    # `into_runnable` would leave it as slow as it was read.
    runnable = runtime.runtime_for_name("default").prepare(model)
    return lambda: runnable.run(feeds)


def fact_shape(fact):
    """`1,1,49,10,F32` and the like."""
    return [int(n) for n in str(fact).split(",") if n.isdigit()]


def repeated(run):
    """Runs of one inference as a function of their number: nanoseconds of all."""

    def runs(count):
        start = time.perf_counter_ns()
        for _ in range(count):
            run()
        return time.perf_counter_ns() - start

    return runs


def program(timed, model):
    """The name that a program prints, and its runs: it ends when its standard input does."""
    environment = os.environ | {"RTEN_NUM_THREADS": "1"}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    process = subprocess.Popen([timed, model], text=True, env=environment, **pipes)
    name = process.stdout.readline().strip()
    if not name:
        raise RuntimeError(f"{timed} {model}: it ended with {process.wait()}")

    def runs(count):
        print(count, file=process.stdin, flush=True)
        return int(process.stdout.readline())

    return name, runs


LOADERS = {"onnx runtime": onnx_runtime, "litert": litert, "tract": tract}


def measure(timed, rounds, model):
    table, run_ours = program(timed, model["artifact"])
    contenders = {f"ours ({table})": run_ours}
    failed = {}
    for peer in model["peers"]:
        name = f"{peer['runtime']} {peer['form']}"
        try:
            if peer["runtime"] == "rten":
                _, contenders[name] = program(f"{timed}-rten", peer["file"])
            else:
                contenders[name] = repeated(LOADERS[peer["runtime"]](peer["file"]))
            contenders[name](1)
        except Exception as error:  # what a runtime refuses is told, and the others go on
            contenders.pop(name, None)
            failed[name] = f"{type(error).__name__}: {error}".splitlines()[0]
    counts = {}
    for name, runs in contenders.items():
        runs(5)
        counts[name] = max(1, SLOT_NS * 5 // max(runs(5), 1))
    times = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, runs in contenders.items():
            times[name].append(runs(counts[name]) / counts[name])
    return {"name": model["name"], "times": times, "failed": failed}


def main():
    timed, rounds, models = sys.argv[1:]
    # One CPU for all, children too: the one the scheduler likes least.
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    with open(models, encoding="utf-8") as file:
        models = json.load(file)
    json.dump([measure(timed, int(rounds), model) for model in models], sys.stdout)


if __name__ == "__main__":
    main()
