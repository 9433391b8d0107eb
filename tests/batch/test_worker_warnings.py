"""What workers warn of is told by the run, once, and stands in the report."""

import logging

import pytest
from small_study import small_coil, small_design

from femtms.batch.cluster import ClusterChoice
from femtms.batch.journal import read_events
from femtms.batch.report import report_study
from femtms.batch.run import run_study
from femtms.study.design import StudyConductivity

ODD = "tissue 'bone': sigma is 465 S/m, which is unusual (is it in mS/m?)"


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


def test_a_warning_of_workers_is_told_once_and_kept(tmp_path, out, caplog):
    odd = StudyConductivity("odd", {"bone": 465.0})
    design = small_design(small_coil(tmp_path / "coil.ccd"), conductivities=(odd,))
    with caplog.at_level(logging.WARNING, "femtms"):
        run_study(design, out, cluster=ClusterChoice(workers=2))
    assert sum(record.getMessage() == ODD for record in caplog.records) == 1
    assert [event["text"] for event in read_events(out) if event["event"] == "warned"].count(ODD) == 1
    report_study(out)
    assert "sigma is 465 S/m" in (out / "report.html").read_text()
