"""Small studies: spheres of a few thousand tetrahedra."""

from femtms.study.design import (
    Design,
    StudyCoil,
    StudyConductivity,
    StudyHead,
    StudyOption,
    StudyPlace,
    StudyResults,
)

RADII_MM = (70.0, 85.0)
SIZE_MM = 18.0
GREY = StudyResults(tissues=("gm",))


def above(x, y, name=None):
    """A place near the top of the sphere."""
    z = (RADII_MM[-1] ** 2 - x**2 - y**2) ** 0.5
    return StudyPlace(name or f"{x},{y}", at=(float(x), float(y), z), towards=(float(x), float(y) + 30.0, z))


def small_design(
    heads=("ball",),
    coils=("figure8-70mm",),
    places=((0, 0), (20, 0), (0, 20)),
    angles=(0.0, 90.0),
    distances_mm=(5.0,),
    sigmas=("standard",),
    size_mm=SIZE_MM,
    results=GREY,
    **option,
):
    """A design of spheres; every argument may be lengthened."""
    return Design(
        name="small",
        heads=tuple(StudyHead(name, "sphere", radii_mm=RADII_MM) for name in heads),
        conductivities=tuple(StudyConductivity(name, {"gm": 0.3 + 0.1 * i}) for i, name in enumerate(sigmas)),
        options=(StudyOption("standard", size_mm=size_mm, **option),),
        coils=tuple(StudyCoil(coil, coil) for coil in coils),
        places=tuple(above(*place) for place in places),
        angles=tuple(angles),
        distances_mm=tuple(distances_mm),
        results=results,
    )
