"""Blocks are handed out each once, with few set-ups, and none while none is left."""

from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest

from femtms.batch.dispatch import Dispatcher
from femtms.study.plan import Plan


def plan_of(heads=3, sigmas=2, options=2, coils=2, places=5):
    return Plan((heads, sigmas, options, coils, places, 1, 1), (1, 1, 1))


def test_every_block_is_handed_out_once():
    plan = plan_of()
    dispatcher = Dispatcher(plan, np.ones(len(plan), bool))
    given_out = []
    while len(dispatcher):
        given_out.append(dispatcher.next(f"worker {len(given_out) % 5}"))
    assert sorted(given_out) == list(range(len(plan)))
    assert dispatcher.next("worker 0") is None


def test_only_what_is_to_do_is_handed_out():
    plan = plan_of()
    todo = np.zeros(len(plan), bool)
    todo[[3, 50, 51]] = True
    dispatcher = Dispatcher(plan, todo)
    assert sorted(dispatcher.next("a") for _ in range(3)) == [3, 50, 51]
    assert dispatcher.next("a") is None


def test_a_worker_stays_with_its_head():
    plan = plan_of(heads=4, sigmas=1, options=1)
    dispatcher = Dispatcher(plan, np.ones(len(plan), bool))
    groups = {name: [] for name in "abcd"}
    for _ in range(10):
        for name in "abcd":
            groups[name].append(plan.block(dispatcher.next(name)).group)
    assert [len(set(mine)) for mine in groups.values()] == [1, 1, 1, 1]
    assert len(set.union(*map(set, groups.values()))) == 4


def test_workers_share_a_head_when_there_are_more_of_them():
    plan = plan_of(heads=2, sigmas=1, options=1)
    dispatcher = Dispatcher(plan, np.ones(len(plan), bool))
    heads = [plan.block(dispatcher.next(name)).key[0] for name in "abcdef"]
    assert sorted(heads) == [0, 0, 0, 1, 1, 1]


def test_another_conductivity_of_the_same_mesh_comes_before_another_head():
    plan = plan_of(heads=3, sigmas=2, options=2, coils=1, places=2)
    dispatcher = Dispatcher(plan, np.ones(len(plan), bool))
    meshes = []
    while len(dispatcher):
        head, _, option = plan.block(dispatcher.next("a")).group
        meshes.append((head, option))
    changes = sum(one != other for one, other in pairwise(meshes))
    assert changes == 5  # six meshes, each made once


def test_what_is_given_back_comes_again_and_first():
    plan = plan_of()
    dispatcher = Dispatcher(plan, np.ones(len(plan), bool))
    first = dispatcher.next("a")
    dispatcher.forget(["a"])
    dispatcher.give_back(first)
    assert len(dispatcher) == len(plan)
    assert dispatcher.next("a") == first


def test_a_group_that_failed_is_dropped_whole():
    plan = plan_of()
    dispatcher = Dispatcher(plan, np.ones(len(plan), bool))
    block = dispatcher.next("a")
    group = block // len(plan.group_blocks(0))
    dropped = dispatcher.drop(group)
    assert sorted([block, *dropped]) == list(plan.group_blocks(group))
    assert dispatcher.drop(group) == []
    rest = {dispatcher.next("a") for _ in range(len(dispatcher))}
    assert not rest & set(plan.group_blocks(group)) and len(rest) == len(plan) - len(plan.group_blocks(group))


@pytest.mark.parametrize("seed", range(20))
def test_whatever_happens_to_workers_all_blocks_are_done(seed):
    random = np.random.default_rng(seed)
    plan = plan_of(heads=int(random.integers(1, 5)), sigmas=int(random.integers(1, 4)))
    dispatcher = Dispatcher(plan, np.ones(len(plan), bool))
    done, holding = [], {}
    workers = [f"worker {i}" for i in range(random.integers(1, 7))]
    while len(done) < len(plan):
        i = random.integers(len(workers))
        worker = workers[i]
        if worker not in holding:
            block = dispatcher.next(worker)
            if block is not None:
                holding[worker] = block
        elif random.random() < 0.7:
            done.append(holding.pop(worker))
        else:
            dispatcher.forget([worker])
            dispatcher.give_back(holding.pop(worker))
            workers[i] = f"worker {random.integers(10**6)}"
    assert sorted(done) == list(range(len(plan)))
    assert len(dispatcher) == 0


@pytest.mark.parametrize("most", [1, 7, 64, 1000])
def test_the_blocks_of_a_plan_cover_every_case_once(most):
    shape = (2, 1, 2, 3, 13, 4, 3)
    plan = Plan.of(SimpleNamespace(shape=shape), most)
    seen = np.zeros(shape, int)
    for i in range(len(plan)):
        block = plan.block(i)
        assert block.index == i and 1 <= len(block) == len(block.positions) <= most
        seen[block.slices] += 1
        assert block.index in plan.group_blocks(int(np.ravel_multi_index(block.group, plan.grid[:3])))
    assert (seen == 1).all()


@pytest.mark.parametrize(("places", "angles", "cases"), [(1, 1, 1), (14, 4, 16), (200, 4, 64), (10, 360, 64)])
def test_blocks_of_a_small_study_are_smaller(places, angles, cases):
    plan = Plan.of(SimpleNamespace(shape=(1, 1, 1, 1, places, angles, 1)))
    assert len(plan.block(0)) == cases
