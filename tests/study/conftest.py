"""A folder in which studies are written and read."""

import numpy as np
import pytest
from study.study_texts import with_lines

from femtms import StudyFaults, read_study


@pytest.fixture
def folder(tmp_path):
    """With the files that studies name: their content does not matter."""
    for name in ("head.nii.gz", "a/coil.ccd", "b/coil.ccd", "lh.gii", "map.csv"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")
    for sub in ("01", "02"):
        for part, name in (("anat", "labels"), ("dwi", "tensor")):
            path = tmp_path / f"bids/sub-{sub}/ses-1/{part}/sub-{sub}_ses-1_{name}.nii.gz"
            path.parent.mkdir(parents=True)
            path.write_bytes(b"x")
    np.save(tmp_path / "poses.npy", np.tile(np.diag([1.0, -1, -1, 1]), (5, 1, 1)))
    return tmp_path


@pytest.fixture
def study(folder):
    """study("key: value", …) is the design of a small study with these lines."""

    def read(*lines, text=None):
        path = folder / "study.yaml"
        path.write_text(with_lines(*lines) if text is None else text, encoding="utf-8")
        return read_study(path)

    return read


@pytest.fixture
def faults(study):
    """faults("key: value", …) are the faults of such a study, without the path of its file."""

    def found(*lines, text=None):
        with pytest.raises(StudyFaults) as raised:
            study(*lines, text=text)
        for fault in raised.value.faults:
            assert "study.yaml:" in fault and fault.isprintable(), fault
        return [fault[fault.index("study.yaml:") + len("study.yaml:") :] for fault in raised.value.faults]

    return found
