"""A study of a million cases on a thousand workers, simulated: where the engine becomes the limit.

    python benchmarks/scale.py [--durations benchmarks/results/study_durations.json] [--measure]

What is simulated is the order of events: workers, the client that hands out blocks by the engine's own Dispatcher, and
one queue for client and scheduler, which serve one task after the other.  Durations are drawn, with replacement, from a
file of what was measured: seconds of blocks, of set-ups of a head, and of client and scheduler for a task.  --measure
measures the last of these, with real Dask workers that do nothing, and writes it into the file.

What is not in it: a file system that a thousand workers share.  The table says how many files a second it must take.
"""

import argparse
import heapq
import json
import platform
import resource
import time
from pathlib import Path

import numpy as np

from femtms.batch.dispatch import Dispatcher
from femtms.study.plan import BLOCK_CASES, Plan

HERE = Path(__file__).parent
DURATIONS = HERE / "results" / "study_durations.json"
AHEAD = 2  # as the engine has it


def simulate(plan, workers, durations, service, seed=0, lost=0.0):
    """Seconds until all blocks are done, busy share of workers, busy share of the client, set-ups.

    durations  {"block": seconds of blocks of "cases" cases, "setup": seconds}
    service    seconds of client and scheduler for a task
    lost       share of the blocks whose worker dies with them, and which are done again
    """
    random = np.random.default_rng(seed)
    dispatcher = Dispatcher(plan, np.ones(len(plan), bool))
    per_case = np.asarray(durations["block"]) / durations["cases"]
    setups = np.asarray(durations["setup"])
    queues = [[] for _ in range(workers)]  # blocks that a worker has been given
    group_of = [None] * workers
    busy = np.zeros(workers)
    client_free, client_busy, count = 0.0, 0.0, 0
    events = []  # (time, worker): a worker has ended a block

    def serve(now):
        nonlocal client_free, client_busy
        client_free = max(client_free, now) + service
        client_busy += service
        return client_free

    def begin(worker, now):
        nonlocal count
        block = queues[worker][0]
        group = plan.block(block).group
        seconds = random.choice(per_case) * len(plan.block(block))
        if group != group_of[worker]:
            group_of[worker] = group
            seconds += random.choice(setups)
            count += 1
        busy[worker] += seconds
        heapq.heappush(events, (now + seconds, worker))

    def hand_out(worker, now):
        while len(queues[worker]) < AHEAD:
            if queues[worker] and len(dispatcher) < workers:
                return
            block = dispatcher.next(str(worker))
            if block is None:
                return
            at = serve(now)
            queues[worker].append(block)
            if len(queues[worker]) == 1:
                begin(worker, at)

    for worker in range(workers):
        hand_out(worker, 0.0)
    now = 0.0
    while events:
        now, worker = heapq.heappop(events)
        block = queues[worker].pop(0)
        if random.random() < lost:
            dispatcher.forget([str(worker)])
            dispatcher.give_back(block)
            group_of[worker] = None
        if queues[worker]:
            begin(worker, now)
        hand_out(worker, now)
    return now, busy.sum() / (workers * now), client_busy / now, count


def measure_service(workers, tasks):
    """Seconds of client and scheduler for one task that does nothing, with real Dask workers."""
    import queue

    from distributed import Client, LocalCluster

    finished = queue.Queue()
    with (
        LocalCluster(n_workers=workers, threads_per_worker=1, processes=False, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        names = list(client.nthreads())

        def submit(worker):
            future = client.submit(int, 1, workers=[worker], pure=False)
            waiting[future] = worker
            future.add_done_callback(finished.put)

        waiting = {}
        start = time.perf_counter()
        left = tasks
        for worker in names * AHEAD:
            submit(worker)
            left -= 1
        while waiting:
            future = finished.get()
            worker = waiting.pop(future)
            future.result()
            if left > 0:
                submit(worker)
                left -= 1
        return (time.perf_counter() - start) / tasks


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--durations", type=Path, default=DURATIONS)
    parser.add_argument("--measure", action="store_true")
    arguments = parser.parse_args()
    durations = json.loads(arguments.durations.read_text())
    if arguments.measure:
        durations["service"] = {}
        for workers in (1, 10):
            durations["service"][str(workers)] = round(measure_service(workers, max(2000, 4 * workers)), 6)
            print(f"{workers} workers: {1e3 * durations['service'][str(workers)]:.2f} ms for a task")
        arguments.durations.write_text(json.dumps(durations, indent=1) + "\n")
    service = durations["service"]["10"]  # of one worker it is the time of a round trip
    print(f"{platform.processor() or platform.machine()}, {service * 1e3:.2f} ms of client and scheduler for a task\n")
    print(
        "| heads | cases | workers | faster | hours | workers busy | client busy | set-ups | files/s | simulated in s |"
    )
    print("| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for heads, cases, speed in SCENARIOS:
        plan = plan_for(heads, cases)
        for workers in (10, 100, 1_000, 10_000):
            faster = {key: np.asarray(durations[key]) / speed for key in ("block", "setup")} | {
                "cases": durations["cases"]
            }
            start = time.perf_counter()
            seconds, busy, client, setups = simulate(plan, workers, faster, service)
            print(
                f"| {heads:,} | {cases:,} | {workers:,} | {speed:g} | {seconds / 3600:.2f} | {100 * busy:.1f} % | "
                f"{100 * client:.1f} % | {setups:,} | {len(plan) / seconds:.2f} | {time.perf_counter() - start:.1f} |"
            )
    print(f"\npeak memory of the simulation {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


SCENARIOS = [(1, 1_000_000, 1), (100, 1_000_000, 1), (1_000, 1_000_000, 1), (100, 1_000_000, 30)]


def plan_for(heads, cases):
    """A design of so many heads and cases: 10 coils, and as many places with 18 angles as that takes."""
    coils, angles = 10, 18
    places = round(cases / (heads * coils * angles))
    chunk = max(1, BLOCK_CASES // angles)
    return Plan((heads, 1, 1, coils, max(places, 1), angles, 1), (chunk, angles, 1))


if __name__ == "__main__":
    main()
