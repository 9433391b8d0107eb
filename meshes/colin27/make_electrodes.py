"""Makes electrodes.csv: the 10-10 positions on the scalp of this head, from labels.nii.gz and fiducials.csv.

Run it again after either of them changes: `python meshes/colin27/make_electrodes.py`.
"""

import csv
from pathlib import Path

import nibabel
import numpy as np

from femtms.head.electrodes import ten_ten, volume_surface

HERE = Path(__file__).resolve().parent
HOW = "10-10 arcs on this head's scalp from fiducials.csv (Oostenveld & Praamstra 2001; Jurcak et al. 2007)"


def make_rows() -> list[dict[str, str]]:
    """The rows of electrodes.csv, positions in mm to two decimals."""
    image = nibabel.load(HERE / "labels.nii.gz")
    labels = np.asarray(image.dataobj)
    with open(HERE / "fiducials.csv", newline="") as file:
        fiducials = {
            row["name"]: np.array([float(row[axis]) for axis in ("x_mm", "y_mm", "z_mm")])
            for row in csv.DictReader(file)
        }
    positions = ten_ten(volume_surface(labels, image.affine), fiducials)

    to_voxel = np.linalg.inv(image.affine)
    rows = []
    for name, position in positions.items():
        source = "fiducials.csv" if name in fiducials else HOW
        if name in ("T9", "T10"):
            source = f"the same point as {'LPA' if name == 'T9' else 'RPA'} in fiducials.csv"
        voxel = to_voxel[:3, :3] @ position + to_voxel[:3, 3]
        if min(voxel.min(), (np.array(labels.shape) - 1 - voxel).min()) < 0:  # beyond the last voxel's centre
            source += "; on the face where the volume ends, not on skin"
        x, y, z = (f"{value + 0.0:.2f}" for value in np.round(position, 2))  # + 0.0: no "-0.00"
        rows.append({"name": name, "x_mm": x, "y_mm": y, "z_mm": z, "source": source})
    return rows


if __name__ == "__main__":
    rows = make_rows()
    with open(HERE / "electrodes.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    print(f"electrodes.csv: {len(rows)} positions")
