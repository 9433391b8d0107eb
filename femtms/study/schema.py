"""The JSON schema of study files, with which editors complete and check them."""

from typing import Any

from femtms.study.model import StudyFile

SCHEMA_FILE = "femtms-study.schema.json"  # what the example names


def study_schema() -> dict[str, Any]:
    """JSON schema (draft 2020-12) of what a study file may hold; missing files and the like it cannot see."""
    schema = StudyFile.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "femtms study"} | schema
