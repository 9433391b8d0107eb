"""Label maps from CSV, and label volumes that are read with a map."""

import nibabel
import numpy as np
import pytest

from femtms import FemtmsError, LabelMap, load_head, read_label_map, read_labels


def written(tmp_path, text, name="map.csv", encoding="utf-8"):
    (tmp_path / name).write_text(text, encoding=encoding)
    return tmp_path / name


def test_csv_map_has_ranges_names_numbers_comments_and_further_columns(tmp_path):
    text = '# by hand\n\nname, Label ,TISSUE\n"cortex, left",1000-1035,2\nwhite, 2 , White matter # cerebrum\n'
    text += "# all else\nsinus,262,air\nrest,*,scalp,,\n,,\n"
    label_map = read_label_map(written(tmp_path, text))
    expected = {0: 0, 2: 1, 262: 0} | dict.fromkeys(range(1000, 1036), 2)
    assert (dict(label_map.tissues), label_map.rest, label_map.name) == (expected, 5, "map.csv")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-8"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_csv_map_as_spreadsheets_write_it(encoding, end, tmp_path):
    path = written(tmp_path, end.join(["label,tissue", "2,wm", "3,gm", ""]), encoding=encoding)
    assert dict(read_label_map(path).tissues) == {0: 0, 2: 1, 3: 2}


BAD = [
    ("2,wm\n3,gm\n", "line 1: must be a header with the columns label and tissue, separated by a comma; got '2,wm'"),
    ("label;tissue\n2;wm\n", "line 1: must be a header .*got 'label;tissue'"),
    ("label,tissue,label\n2,wm,3\n", "line 1: must be a header"),
    ("label,tissue\n", "must name at least one label; it has only a header"),
    ("# nothing\n", "must have the header label,tissue and rows"),
    ("label,tissue\n2,wm\nabc,gm\n", "line 3: a label must be a whole number .*got 'abc'"),
    ("label,tissue\n\n# note\n2,brian\n", "line 4: a tissue must be air, wm, .*got 'brian'"),
    ("label,tissue\n2\n", "line 2: must be a label and a tissue; got '2'"),
    ("label,tissue\n2,\n", "line 2: a tissue must be"),
    ("label,tissue\n,wm\n", "line 2: a label must be"),
    ("label,tissue\n2.0,wm\n", "line 2: a label must be a whole number"),
    ("label,tissue\n2,wm\n1-5,gm\n", "line 3: each label must be named once; 2 is in line 2 already"),
    ("label,tissue\n*,wm\n*,gm\n", r"line 3: each label must be named once; \* is in line 2 already"),
    ("label,tissue\n2,70000\n", "line 2: a tissue must be .*65,535; got '70000'"),
    ("label,tissue\n9-2,wm\n", "line 2: a range must ascend"),
]


@pytest.mark.parametrize("text, words", BAD, ids=[repr(text) for text, _ in BAD])
def test_bad_csv_map_is_refused_with_file_and_line(text, words, tmp_path):
    with pytest.raises(FemtmsError, match=f"map.csv.*{words}"):
        read_label_map(written(tmp_path, text))


def test_files_that_are_no_text_are_no_maps(tmp_path):
    (tmp_path / "map.csv").write_bytes(b"\x89PNG\xff\xfe")
    with pytest.raises(FemtmsError, match="must be text"):
        read_label_map(tmp_path / "map.csv")
    (tmp_path / "map.csv").write_bytes(b"label,tissue\n2,\0\n")
    with pytest.raises(FemtmsError, match="line 2"):
        read_label_map(tmp_path / "map.csv")


# --- volumes ------------------------------------------------------------------------------------------------


def oblique():
    """An affine whose axes are turned, mirrored, permuted and of 1×1×3 mm."""
    c, s = np.cos(0.4), np.sin(0.4)
    affine = np.eye(4)
    affine[:3, :3] = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]) @ np.array([[0, -1, 0], [0, 0, 3], [1, 0, 0.0]])
    affine[:3, 3] = -affine[:3, :3] @ [30, 30, 10]
    return affine


def test_mapped_tissue_is_where_its_label_was(tmp_path):
    """A skull with an eye on the right, in front, above, in FreeSurfer's numbers, on a turned and mirrored grid."""
    affine = oblique()
    index = np.stack(np.meshgrid(*[np.arange(n) for n in (61, 61, 21)], indexing="ij"), axis=-1)
    ras = index @ affine[:3, :3].T + affine[:3, 3]
    radius = np.linalg.norm(ras, axis=-1)
    data = np.select([radius < 18, radius < 22, radius < 26], [2024, 165, 258], 0)
    data[np.linalg.norm(ras - [12.0, 15.0, 9.0], axis=-1) < 5] = 259
    nibabel.save(nibabel.Nifti1Image(data.astype(np.int32), affine), tmp_path / "aparc.nii.gz")

    labels = read_labels(tmp_path / "aparc.nii.gz", "samseg")
    assert labels.tissues.tolist() == [2, 4, 5, 6]
    eye = ras[labels.data == 6].mean(axis=0)
    np.testing.assert_allclose(eye, [12, 15, 9], atol=0.7)
    np.testing.assert_allclose(labels.affine, affine, atol=1e-5)
    assert labels.voxel_ml == pytest.approx(3e-3)


@pytest.fixture
def parcellated(tmp_path):
    """A volume of 71 parcels of cortex in CSF and skin, as float32, and its path."""
    data = np.zeros((80, 12, 12), np.float32)
    data[2:-2, 2:-2, 2:-2] = 258
    data[4:75, 4:8, 4:8] = np.arange(11105, 11176)[:, None, None]
    nibabel.save(nibabel.Nifti1Image(data, np.eye(4)), tmp_path / "parcels.nii.gz")
    return data, tmp_path / "parcels.nii.gz"


def test_parcellation_is_read_with_a_map_and_refused_without(parcellated, tmp_path):
    data, path = parcellated
    with pytest.raises(FemtmsError, match=r"parcels\.nii\.gz: .*72 labels, presumably a parcellation"):
        read_labels(path)
    expected = np.select([data > 11000, data > 0], [2, 5], 0)
    csv = written(tmp_path, "label,tissue\n11100-11175,gm\n258,scalp\n")
    mapping = {"11100-11175": "gm", 258: 5}
    for labels in ("freesurfer", "FreeSurfer", "samseg", csv, str(csv), mapping, LabelMap.of(mapping)):
        np.testing.assert_array_equal(read_labels(path, labels).data, expected)
        np.testing.assert_array_equal(load_head(path, labels).data, expected)


@pytest.mark.parametrize("labels, words", [("fsl", "there is no 'fsl'"), (3, "got int"), ("x.csv", "no such file")])
def test_map_that_is_none_is_refused_before_the_volume_is_read(labels, words, parcellated, monkeypatch):
    monkeypatch.setattr("nibabel.load", lambda *a: pytest.fail("the volume is being read"))
    with pytest.raises(FemtmsError, match=words):
        read_labels(parcellated[1], labels)


@pytest.mark.parametrize("head", ["sphere", "colin27", "folder"])
def test_map_for_what_is_no_file_is_refused(head, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    with pytest.raises(FemtmsError, match=rf"--labels .*is for label volumes from files \(\.nii.*; got '{head}'"):
        load_head(head, "spm")


def test_few_numbers_without_a_map_stay_what_they_are(tmp_path):
    data = np.zeros((9, 9, 9), np.int16)
    data[3:6, 3:6, 3:6] = 77
    data[4, 4, 4] = 300
    nibabel.save(nibabel.Nifti1Image(data, np.eye(4)), tmp_path / "own.nii")
    np.testing.assert_array_equal(read_labels(tmp_path / "own.nii").data, data)


def test_available_memory_is_a_sensible_number():
    from femtms.memory import available_memory

    there = available_memory()
    assert there is None or 2**20 < there < 2**50


def test_ranges_make_no_map_of_any_size(tmp_path):
    ranges = [f"{1000 * i}-{1000 * i + 999}" for i in range(2000)]
    (tmp_path / "m.csv").write_text("label,tissue\n" + "".join(f"{labels},gm\n" for labels in ranges))
    with pytest.raises(FemtmsError, match=r"m\.csv: a label map must name at most 200,000 labels"):
        read_label_map(tmp_path / "m.csv")
    with pytest.raises(FemtmsError, match="at most 200,000 labels"):
        LabelMap.of(dict.fromkeys(ranges, "gm"))
