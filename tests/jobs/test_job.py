from __future__ import annotations

from pathlib import Path

import pytest

from heron_cli.errors import InputError
from heron_cli.jobs.job import load, names

HEAD = "schema: heron/job/1\nname: mine\n"
REST = "accelerators: vta\nworkloads: starter\nbudget: {time: 5m}\n"

BAD = [
    ("", "1:1: the file is empty; begin with 'schema: heron/job/1'"),
    (HEAD.replace("/1", "/7") + REST, "1:9: schema: 'heron/job/7' is no schema of jobs"),
    (HEAD + REST + "colour: red\n", "6:1: colour: unknown key 'colour'; known keys: schema, name"),
    (HEAD + REST + "name: again\n", "6:1: name: 'name' is given twice, first in line 2"),
    (HEAD + REST.replace("5m", "5"), "5:16: budget.time: 5 where a time is due; write it with its unit"),
    (HEAD + REST.replace("5m", "soon"), "5:16: budget.time: 'soon' is not a time above 0"),
    (HEAD + REST.replace("{time: 5m}", "{}"), "5:9: budget: a job without end"),
    (HEAD + REST.replace("time: 5m", "trials: -1"), "5:18: budget.trials: -1 is out of range"),
    (HEAD + REST.replace("workloads: starter", "workloads: []"), "4:12: workloads: the list is empty"),
    (
        HEAD + REST.replace("starter", "[{file: a, onyl: b}]"),
        "4:23: workloads[0].onyl: unknown key 'onyl'; did you mean 'only'?",
    ),
    (HEAD + REST.replace("vta", "[vta, vta]"), "3:15: accelerators: 'vta' is listed twice"),
    (HEAD + REST + "acceptance: {min_speedup: 1}\n", "6:13: acceptance.against: missing; add 'against: "),
    (HEAD + REST + "acceptance: {against: a, min_speedup: fast}\n", "6:39: acceptance.min_speedup: "),
    (HEAD + REST + "library: {a: b}\n", "6:10: library: a map where a text is due"),
    (HEAD + "accelerators: " + "[" * 99, "3:38: maps and lists nested over 24 deep"),
]


@pytest.mark.parametrize(("text", "message"), BAD, ids=[message[:50] for _, message in BAD])
def test_mistakes_are_told_with_their_place(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "job.yaml"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        load(str(path))
    assert str(caught.value).startswith(f"{path}:{message}")


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    path = tmp_path / "job.yaml"
    path.write_text(HEAD + "accelerators: 3\nworkloads: starter\nbudget: {time: 1}\ncolour: red\n")
    with pytest.raises(InputError) as caught:
        load(str(path))
    assert [line.split(": ")[1] for line in str(caught.value).splitlines()] == [
        "accelerators",
        "budget.time",
        "colour",
    ]


def test_files_count_from_the_job_and_products_from_the_working_directory(tmp_path: Path) -> None:
    path = tmp_path / "job.yaml"
    path.write_text(
        HEAD + "accelerators: [vta, mine.yaml]\n"
        "workloads: [starter, {file: sub/w.yaml, only: 'c*'}]\nbudget: {trials: 8}\n"
        "acceptance: {against: build/lib, min_speedup: 1}\nlibrary: build/lib\n"
    )
    job = load(str(path))
    assert job.accelerators == ("vta", str(tmp_path / "mine.yaml"))
    assert [choice.file for choice in job.workloads] == ["starter", str(tmp_path / "sub/w.yaml")]
    assert job.workloads[1].only == ("c*",)
    assert job.acceptance is not None
    assert (job.acceptance.against, job.library) == (Path("build/lib"), Path("build/lib"))
    assert (job.seconds, job.trials, job.acceptance.required) == (None, 8, False)


@pytest.mark.parametrize("name", names())
def test_shipped_jobs_load(name: str) -> None:
    from heron_cli.accelerator import catalog
    from heron_cli.accelerator.loader import load as load_accelerator
    from heron_cli.session.chosen import native_types, workloads_of_file

    job = load(name)
    assert job.name == name
    for each in job.accelerators:
        machine = load_accelerator(catalog.find(each))
        for choice in job.workloads:
            assert workloads_of_file(choice.file, choice.only, native_types(machine))


def test_an_unknown_job_is_told_from_the_known_ones() -> None:
    with pytest.raises(InputError, match=r"'starter-vtaa'; did you mean 'starter-vta'\?"):
        load("starter-vtaa")
