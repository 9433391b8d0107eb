"""Results of a study for analysis; xarray, Zarr and Dask are imported when they are needed."""

from pathlib import Path
from typing import TYPE_CHECKING

from femtms.extras import need_batch

if TYPE_CHECKING:
    import xarray

_READING = ("dask", "xarray", "zarr")


def open_study(out: str | Path) -> "xarray.Dataset":
    """The results of a study that is done, or still running, as a Dataset that reads what is asked for when it is.

    out  the folder that `femtms run` was given

    Dimensions are head, conductivity, option, coil, place, angle (degrees) and distance (mm); statistics of |E|
    (`mean`, `p99_9`, `peak`, … in V/m, `focality_50_ml`) have tissue as well, `target_field` has target, and
    `pose_mm` is (…, 3, 4).  `state` is 0 for cases that are not done, 1 done, 2 failed; there is no number where it is
    not 1, but the pose of a case that failed later.
    Attributes have units, sources, and as JSON text the provenance: inputs with hashes, versions, device.

    Raises FemtmsError when the folder holds no study, or one that is damaged.
    """
    need_batch("open_study", _READING)
    from femtms.batch.dataset import study_dataset

    return study_dataset(Path(out))


def open_fields(out: str | Path, head: str, option: str | None = None) -> "xarray.Dataset":
    """The fields that a study keeps of one head, as a Dataset that reads what is asked for when it is.

    head, option  names in the study; the option may be left out where there is only one

    A variable for each field ("gm-nodes", "whole", "surface lh"): E in V/m with the dimensions conductivity, coil,
    place, angle, distance, point and axis, NaN where it is not done; beside it the points in mm and what else says
    where they are.  Raises FemtmsError when there is no such study, head or option, or no field of it yet.
    """
    need_batch("open_fields", _READING)
    from femtms.batch.dataset import fields_dataset

    return fields_dataset(Path(out), head, option)
