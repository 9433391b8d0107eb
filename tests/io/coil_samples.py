"""Coils with numbers that need all their digits, and what makes two of them the same."""

import numpy as np

from femtms import Coil, CoilModel, Currents, Dipoles, SampledField, Stimulator, Surface, Waveform
from femtms.coil.deform import Range, Rotation, Translation
from femtms.coil.elements import CoilElements
from femtms.coil.model import Casing, CoilPart
from femtms.io.units import in_m

RANDOM = np.random.default_rng(3)


def millimetres(*shape):
    """Random lengths in m that a file in mm can hold to the last digit."""
    return in_m(RANDOM.normal(scale=30, size=shape))


def dipoles(d=7, stimulator=0):
    return Dipoles(millimetres(d, 3), RANDOM.normal(scale=1e-6, size=(d, 3)), stimulator)


def sampled(stimulator=0):
    affine = np.diag([0.01, 0.012, 0.0125, 1.0])
    affine[:3, 3] = in_m([-31.7, -20.1, 3.3])
    affine[0, 1] = in_m(0.1)
    return SampledField(RANDOM.normal(scale=1e-8, size=(4, 5, 6, 3)), affine, "error", stimulator)


def casing():
    nodes = millimetres(4, 3)
    return Surface(nodes, [[0, 1, 2], [0, 2, 3], [0, 3, 1], [1, 3, 2]], "casing")


def pulse(name, fit=True):
    time = np.linspace(0, 1e-4, 11) / 3
    return Waveform(name, time, np.sin(1e5 * time), np.cos(time) if fit else None)


def plain(elements, name="a coil", stimulators=1, with_casing=True, with_pulse="pulse"):
    kinds = [Stimulator(f"S{i}", max_didt=1e6 * (114.73 + i / 3)) for i in range(stimulators)]
    if with_pulse:
        shared = pulse(with_pulse)
        kinds = [Stimulator(s.name, "", s.max_didt, (shared,)) for s in kinds]
    return Coil(
        name,
        elements,
        brand="some maker",
        casing=casing() if with_casing else None,
        stimulators=tuple(kinds),
        limits=in_m([[-300.1, 299.9], [-200, 200], [-1e3 / 7, 200]]),
        resolution=in_m([3, 2.9, 10 / 3]),
    )


def model():
    """Two stimulators; a part of each kind; both kinds of movement, one range shared."""
    return CoilModel(
        "moving",
        (
            CoilPart(dipoles(), "still", 1),
            CoilPart(Currents(millimetres(5, 3), millimetres(5, 3), 1), "wing", 2, (0, 1)),
            CoilPart(Currents(millimetres(2, 3), millimetres(2, 3)), "wing", None, (2,)),
            CoilPart(sampled(1), 'a "data": 3, part'),
        ),
        brand="maker",
        version="1.0",
        stimulators=(Stimulator("A", "b", 1e8 / 3, (pulse("p"), pulse("q", fit=False))), Stimulator("B")),
        deformations=(
            Rotation(0, millimetres(3), millimetres(3)),
            Translation(1, "z"),
            Rotation(0, *millimetres(2, 3)),
        ),
        ranges=(Range(1 / 3, -25.0, 25.0), Range(*in_m([0.1, -10, 20 / 3]).tolist()), Range(0, -1, 1)),
        casings=(Casing(casing()), Casing(casing(), millimetres(6, 3)), Casing(casing())),
        casing=0,
        self_intersection=((0, 1), (1, 2)),
        limits=in_m([[-100, 100.1], [-200, 200], [-50, 250]]),
        resolution=in_m([2, 2, 2.1]),
    )


def assert_same_elements(a, b):
    assert type(a) is type(b) and a.stimulator == b.stimulator
    names = ("positions", "vectors") if isinstance(a, CoilElements) else ("values", "affine", "outside")
    for name in names:
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))


def assert_same_casing(a, b):
    assert (a is None) == (b is None)
    if a is not None:
        np.testing.assert_array_equal(a.nodes[a.triangles], b.nodes[b.triangles])


def assert_same_stimulators(a, b):
    assert [(s.name, s.brand, s.max_didt) for s in a] == [(s.name, s.brand, s.max_didt) for s in b]
    for s, t in zip(a, b):
        assert [w.name for w in s.waveforms] == [w.name for w in t.waveforms]
        for v, w in zip(s.waveforms, t.waveforms):
            for name in ("time", "signal", "fit"):
                np.testing.assert_array_equal(getattr(v, name), getattr(w, name))


def assert_same_box(a, b):
    for name in ("limits", "resolution"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))


def assert_same_coil(a, b):
    assert (a.name, a.brand, a.max_didt) == (b.name, b.brand, b.max_didt)
    assert len(a.elements) == len(b.elements)
    for group, other in zip(a.elements, b.elements):
        assert_same_elements(group, other)
    assert_same_casing(a.casing, b.casing)
    assert_same_stimulators(a.stimulators, b.stimulators)
    assert_same_box(a, b)


def assert_same_model(a, b):
    keys = ("name", "brand", "version", "ranges", "casing", "self_intersection")
    assert [getattr(a, key) for key in keys] == [getattr(b, key) for key in keys]
    assert len(a.parts) == len(b.parts)
    for part, other in zip(a.parts, b.parts):
        assert (part.name, part.casing, part.deformations) == (other.name, other.casing, other.deformations)
        assert_same_elements(part.elements, other.elements)
    assert len(a.casings) == len(b.casings)
    for one, other in zip(a.casings, b.casings):
        np.testing.assert_array_equal(one.surface.nodes, other.surface.nodes)
        np.testing.assert_array_equal(one.surface.triangles, other.surface.triangles)
        np.testing.assert_array_equal(one.min_distance_points, other.min_distance_points)
    assert_same_stimulators(a.stimulators, b.stimulators)
    assert [d.range for d in a.deformations] == [d.range for d in b.deformations]
    for d, e in zip(a.deformations, b.deformations):
        assert type(d) is type(e)
        for name in ("start", "end") if isinstance(d, Rotation) else ("axis",):
            np.testing.assert_array_equal(getattr(d, name), getattr(e, name))
    assert_same_box(a, b)
