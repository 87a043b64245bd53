"""From tuning to a program that runs: `heron tune`, `export-library` and `vta`."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner, Result

from heron_cli import session
from heron_cli.backends.x86 import host
from heron_cli.cli import application


def heron(*arguments: object) -> Result:
    return CliRunner().invoke(application, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with two tuned shapes and the library of them."""
    folder = tmp_path_factory.mktemp("vta")
    database = folder / "heron.db"
    for m in (4, 20):
        result = heron(
            "tune", "gemm", "--target", "vta", "--shape", f"m={m},n=33,k=40", "--trials", 3, "--db", database
        )
        assert result.exit_code == 0, result.stderr
    result = heron("export-library", "--target", "vta", "--db", database, "--out", folder / "library")
    assert result.exit_code == 0, result.stderr
    assert result.stdout.count(" cycles") == 2
    return folder


@pytest.fixture
def library(made: Path, tmp_path: Path) -> Path:
    """The library, to be changed at will."""
    return Path(shutil.copytree(made / "library", tmp_path / "library"))


NAME = "gemm-m=20_n=33_k=40"


def test_export_as_json_names_cycles(made: Path, tmp_path: Path) -> None:
    result = heron(
        "export-library", "--target", "vta", "--db", made / "heron.db", "--out", tmp_path / "out", "--json"
    )
    kernels = json.loads(result.stdout)["kernels"]
    assert [each["seconds"] for each in kernels] == [None, None]
    assert all(each["cycles"] > 0 for each in kernels)


def test_a_program_runs_by_file_and_by_any_of_its_names(library: Path) -> None:
    entry = next(
        each
        for each in json.loads((library / "manifest.json").read_text())["kernels"]
        if "m=20" in each["name"]
    )
    said = set()
    for arguments in (
        [library / "programs" / f"{NAME}.bin"], [library, NAME], [library, entry["name"]],
        [library, entry["workload"]],
    ):  # fmt: skip
        result = heron("vta", "run", *arguments)
        assert result.exit_code == 0, result.stderr
        said.add(result.stdout)
    assert said == {
        f"{entry['workload']} on vta: {entry['cycles']:,} cycles of the model; all 660 numbers are numpy's\n"
    }
    document = json.loads(heron("vta", "run", library, NAME, "--seed", 7, "--json").stdout)
    assert (document["cycles"], document["compared"], document["seed"]) == (entry["cycles"], 660, 7)


def test_disasm_shows_every_instruction_and_the_lanes(library: Path, tmp_path: Path) -> None:
    entry = json.loads((library / "manifest.json").read_text())["kernels"][0]
    result = heron("vta", "disasm", library / entry["file"], "--timeline", "--svg", tmp_path / "t.svg")
    assert result.exit_code == 0, result.stderr
    listing, lanes = result.stdout.split("\n\n")
    assert len(listing.splitlines()) == entry["instructions"] + 1
    assert lanes.startswith(f"{entry['cycles']:,} cycles of the model")
    assert ElementTree.parse(tmp_path / "t.svg").getroot().tag.endswith("svg")
    alone = tmp_path / "alone.bin"  # without a manifest the digest in it says which accelerator it is for
    shutil.copy(library / entry["file"], alone)
    assert heron("vta", "disasm", alone).stdout == listing + "\n"


def test_a_wrong_result_is_told(library: Path) -> None:
    path = library / "manifest.json"
    path.write_text(path.read_text().replace('"shift": 8', '"shift": 7').replace("shift=8", "shift=7"))
    result = heron("vta", "run", library, NAME)
    assert result.exit_code == 1
    assert "elements are wrong, the first at" in result.stderr


def complaint(*arguments: object) -> str:
    """The one line of a command that refuses its input."""
    result = heron("vta", *arguments)
    assert result.exit_code == 2, result.stdout + result.stderr
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    return line


@pytest.mark.parametrize("command", ["run", "disasm"])
def test_bad_input_is_one_line(command: str, library: Path, tmp_path: Path) -> None:
    program = library / "programs" / f"{NAME}.bin"
    assert "name one: gemm-m=" in complaint(command, library)
    assert f"did you mean '{NAME}'" in complaint(command, library, "gemm-m=20")
    assert "NAME chooses a kernel of a library" in complaint(command, program, "x")
    assert "No such file" in complaint(command, tmp_path / "none.bin")
    assert "no exported library" in complaint(command, tmp_path)
    assert "VTA has one GEMM unit" in complaint(command, program, "--target", "dlboost")
    assert "give the accelerator it was made for" in complaint(command, program, "--target", "vta-small")
    text = tmp_path / "text.bin"
    text.write_text("no program")
    assert "does not begin with 'HERONVTA'" in complaint(command, text)
    text.write_bytes(b"HERONVTA")
    assert "was made for no accelerator that ships" in complaint(command, text)
    data = program.read_bytes()
    program.write_bytes(data[:-1])
    assert "its sha-256 is another" in complaint(command, program)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("{", "["), "is no JSON"),
        (('"heron/library/1"', '"else/1"'), "its schema is not heron/library/1"),
        (('"kernels": [', '"kernels": 1, "x": ['), "lists no kernels"),
        (('"programs/', '"../programs/'), "names a file outside the library"),
        (('"target_digest": "', '"target_digest": "0'), "another description of vta; give it by --target"),
        (('"operator": "gemm"', '"operator": "gemmm"'), "did you mean gemm or gemv?"),
        (('"m": 20', '"m": 21'), "but describes gemm[m=21"),
        (('"dims"', '"dimensions"'), "the manifest describes no tensors"),
        (('"extent": 20', '"extent": 19'), "the manifest describes no tensors: its dims do not cover"),
        (('"epilogue": {', '"epilogue": 1, "x": {'), "lacks its workload"),
    ],
)
def test_a_manifest_that_is_wrong_is_one_line(change: tuple[str, str], said: str, library: Path) -> None:
    path = library / "manifest.json"
    changed = path.read_text().replace(*change)
    assert changed != path.read_text()
    path.write_text(changed)
    assert said in complaint("run", library, NAME)


def test_a_file_without_a_manifest_cannot_be_run(library: Path) -> None:
    (library / "manifest.json").unlink()
    assert "no manifest says what it computes" in complaint("run", library / "programs" / f"{NAME}.bin")


def test_an_svg_that_cannot_be_written_is_one_line(library: Path, tmp_path: Path) -> None:
    assert "--svg: " in complaint("disasm", library, NAME, "--svg", tmp_path / "no" / "t.svg")


@pytest.mark.parametrize(("missing", "chosen"), [([], "dlboost"), (["avx512_vnni"], "vta")])
def test_the_default_is_the_real_machine_where_there_is_one(
    missing: list[str], chosen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host, "missing_flags", lambda flags: missing)
    assert session.default_accelerator().name == chosen


def test_make_tune_needs_no_particular_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the Makefile runs, where the CPU lacks VNNI: the starter takes the types of the model."""
    monkeypatch.setattr(host, "missing_flags", lambda flags: ["avx512_vnni"])
    database = tmp_path / "heron.db"
    names = ["--workloads", "starter", "--only", "classifier"]
    result = heron("tune", *names, "--trials", 2, "--db", database)
    assert result.exit_code == 0, result.stderr
    result = heron("export-library", *names, "--db", database, "--out", tmp_path / "kernels")
    assert result.exit_code == 0, result.stderr
    result = heron("vta", "run", tmp_path / "kernels", "classifier")
    assert result.exit_code == 0, result.stderr
    assert "s8s8s8-s32" in result.stdout
