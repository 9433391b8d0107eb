"""A design that is written and read again is the same, to the last digit."""

import json

import numpy as np
import pytest
from examples import examples
from hypothesis import given
from hypothesis import strategies as st

from femtms import FemtmsError
from femtms.batch.design_json import design_from_json, design_to_json
from femtms.batch.places import PlaceTable
from femtms.study.design import (
    Design,
    StudyCoil,
    StudyConductivity,
    StudyHead,
    StudyOption,
    StudyPlace,
    StudyResults,
)

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=12)
numbers = st.floats(allow_nan=False, allow_infinity=False)
points = st.one_of(texts, st.tuples(numbers, numbers, numbers))
by_tissue = st.dictionaries(st.one_of(st.integers(0, 70), texts), numbers, max_size=3)
by_name = st.dictionaries(texts, points, max_size=3)

heads = st.builds(
    StudyHead,
    texts,
    texts,
    st.none() | st.lists(numbers, max_size=4).map(tuple),
    st.none() | texts,
    st.none() | texts,
    texts,
    by_name,
)
conductivities = st.builds(
    StudyConductivity, texts, by_tissue, st.none() | texts, st.none() | numbers, st.none() | numbers
)
options = st.builds(
    StudyOption,
    texts,
    st.one_of(numbers, by_tissue),
    st.integers(1, 2),
    texts,
    numbers,
    st.one_of(numbers, st.lists(numbers, max_size=3).map(tuple)),
    texts,
    st.booleans(),
)
coils = st.builds(StudyCoil, texts, texts)
results = st.builds(
    StudyResults,
    st.lists(texts, max_size=2).map(tuple),
    by_name,
    numbers,
    st.lists(texts, max_size=2).map(tuple),
    st.dictionaries(texts, texts, max_size=2),
)
matrices = st.lists(numbers, min_size=12, max_size=12).map(lambda v: np.reshape([*v, 0.0, 0, 0, 1], (4, 4)))
places = st.one_of(
    st.builds(StudyPlace, texts, points, st.none() | points, st.tuples(numbers, numbers)),
    st.builds(lambda name, matrix: StudyPlace(name, matrix=matrix), texts, matrices),
)


def several(items):
    return st.lists(items, min_size=1, max_size=2).map(tuple)


designs = st.builds(
    Design,
    texts,
    several(heads),
    several(conductivities),
    several(options),
    several(coils),
    st.lists(places, max_size=4),
    several(numbers),
    several(numbers),
    results,
)


def parts(design):
    return {key: value for key, value in vars(design).items() if key != "places"}


@examples(150)
@given(designs)
def test_design_survives_json(design):
    text = json.dumps(design_to_json(design), allow_nan=False)
    kept = design_from_json(json.loads(text), design.places)
    assert repr(parts(kept)) == repr(parts(design)) and kept.places is design.places


@examples(150)
@given(st.lists(places, max_size=5))
def test_places_survive_their_table(some):
    table = PlaceTable.of(some)
    assert len(table) == len(some) and PlaceTable.of(table) is table
    for kept, place in zip(table, some, strict=True):
        assert (kept.name, kept.at, kept.towards, kept.offset_mm) == (
            place.name,
            place.at,
            place.towards,
            place.offset_mm,
        )
        if place.matrix is None:
            assert kept.matrix is None
        else:
            assert kept.matrix.tobytes() == place.matrix.tobytes()
    assert [place.name for place in table[1:3]] == [place.name for place in some[1:3]]


def test_damaged_design_says_what_is_wrong():
    design = Design(
        "a", (StudyHead("h", "sphere"),), (StudyConductivity("c"),), (StudyOption("o"),), (), [], (0.0,), (4.0,),
        StudyResults(),
    )  # fmt: skip
    content = design_to_json(design)
    with pytest.raises(FemtmsError, match=r"damaged: 0\.order .*integer"):
        design_from_json(content | {"options": [content["options"][0] | {"order": "two"}]}, [])
    del content["coils"]
    with pytest.raises(FemtmsError, match="lacks 'coils'"):
        design_from_json(content, [])
