from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from heron_cli.accelerator.expression import to_text
from heron_cli.accelerator.loader import load
from heron_cli.accelerator.problems import AcceleratorError
from heron_cli.errors import InputError

FILES = Path(__file__).parent / "files"
Edited = Callable[..., Path]
Errors = Callable[[Path], list[str]]


def test_the_shipped_dlboost() -> None:
    """What the schedule rules lean on; the numbers in its rules are free to be tuned."""
    found = load("dlboost")
    assert [level.name for level in found.levels] == ["parallel", "cache", "register", "step", "intrinsic"]
    assert found.level("parallel").bind == "parallel"
    assert found.level("register").order == "fixed"  # what makes the register budget true
    assert found.tails == "overlap"
    assert found.constants["memories.register.vectors"] == 32
    assert found.constants["memories.register.bytes"] == 2048
    assert "avx512_vnni" in found.requires.cpu_flags
    budget = next(rule for rule in found.rules if rule.name == "register-budget")
    assert "memories.register.vectors" in to_text(budget.require)


def test_the_sketch_of_dlboost() -> None:
    found = load(FILES / "dlboost-sketch.yaml")
    axes = [level.axes for level in found.levels]
    assert axes == [("spatial",), ("spatial", "reduction"), ("spatial",), ("intrinsic.k",), ()]
    assert (found.level("cache").order, found.level("register").unroll) == ("free", True)
    assert (found.level("step").unroll, found.level("step").at_most) == (True, 4)
    assert found.memory("register").units == {"vectors": 32, "bytes": 2048}
    assert found.memory("register").implicit == ("weight",)
    assert found.memory("l2").capacity_bytes == 1 << 20
    assert found.stages["pad"].at == ("root", "parallel", "cache")
    assert found.intrinsic("vpdpbusd").extra == {"llvm": "llvm.x86.avx512.vpdpbusd.512"}
    assert found.constants["intrinsic.n"] == 16
    text = "register.m * register.n + register.n + 1 <= memories.register.vectors"
    assert to_text(found.rules[0].require) == text


def test_the_sketch_of_vta() -> None:
    found = load(FILES / "vta.yaml")
    assert found.level("stage").fills == ("input", "weight")
    assert found.level("thread").bind == "virtual"
    assert found.memory("accumulator").holds == ("accumulate", "bias", "residual")
    assert found.memory("accumulator").copies == (1, 2)
    assert found.limits == {"iterations": 16383, "uop_entries": 8192, "dma_elements": 65535, "pad": 15}
    assert found.tails == "pad"


def test_the_sketch_of_tensorcore() -> None:
    found = load(FILES / "tensorcore-sm80.yaml")
    assert (found.intrinsics[0].scope, found.intrinsics[0].lanes) == ("warp", 32)
    assert found.intrinsic("mma").shapes == ({"m": 16, "n": 8, "k": 16},)
    assert found.memory("fragment").units == {"registers": 255}
    assert found.memory("fragment").capacity_bytes is None
    assert (found.memory("shared").pad, found.memory("shared").swizzle) == ((0, 8, 16), ("none", "xor"))
    assert found.level("stage").pipeline == (1, 2, 3, 4, 5)
    assert found.level("grid").order == "rasterised"
    with pytest.raises(KeyError):
        found.level("none")


def test_goes_to_another_process_and_hashes_by_content(edited: Edited) -> None:
    found = load(edited())
    copy = pickle.loads(pickle.dumps(found))
    assert copy == found
    assert hash(copy) == hash(found)
    assert (copy.levels, copy.memories, copy.rules) == (found.levels, found.memories, found.rules)
    assert copy.where("memories.l2.capacity") == found.where("memories.l2.capacity")
    assert copy.rules[0].require.origin == found.rules[0].require.origin
    hash((copy.intrinsics, copy.memories, copy.levels, copy.rules))
    with pytest.raises(AttributeError):
        found.name = "other"  # type: ignore
    with pytest.raises(TypeError):
        found.limits["x"] = 1  # type: ignore


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ("# far to near", "# another comment;", True),
        ("on x86 servers", "on servers", True),
        ("past 32 vectors it spills", "it spills", True),
        ("1 MiB", "1024 KiB", True),
        ("register.m * register.n +", "(register.m*register.n)+", True),
        (", order: fixed", "", True),
        ("shape: {m: 1, n: 16, k: 4}", "shape: [{k: 4, m: 1, n: 16}]", True),
        ("stages:", "peak: {uint8: 64}\nstages:", True),
        ("1 MiB", "2 MiB", False),
        ("order: free", "order: fixed", False),
        ("at_most: 4", "at_most: 8", False),
        ("register.n + 1 <=", "register.n + 2 <=", False),
        ("mcpu: cascadelake", "mcpu: sapphirerapids", False),
        ("[avx512_vnni]", "[avx512_vnni, avx512f]", False),
        ("llvm.x86.avx512.vpdpbusd.512", "llvm.other", False),
        ("input: uint8", "input: int8", False),
        ("[root, parallel, cache]", "[root]", False),
        ("stages:", "tails: none\nstages:", False),
        ("stages:", "clock: 2 GHz\nstages:", False),
        ("stages:", "limits: {threads: 2}\nstages:", False),
    ],
)
def test_digest_is_of_what_decides_the_programs(edited: Edited, old: str, new: str, same: bool) -> None:
    assert (load(edited((old, new))).digest == load(edited(name="b.yaml")).digest) is same


def test_where_falls_back_to_the_owner(edited: Edited) -> None:
    found = load(edited())
    assert found.where("memories.register.capacity").line == 18
    assert found.where("memories.l2.bandwidth") == found.memory("l2").origin
    assert found.where("nothing.at.all").line == 1
    assert str(found.rules[0].origin).endswith(":27:5")


MISTAKES = yaml.safe_load((Path(__file__).parent / "mistakes.yaml").read_text())


@pytest.mark.parametrize("mistake", MISTAKES, ids=[mistake["said"][:50] for mistake in MISTAKES])
def test_one_mistake_one_line(edited: Edited, errors_of: Errors, mistake: dict[str, str]) -> None:
    lines = errors_of(edited((mistake["old"], mistake["new"])))
    assert lines[0].startswith(f"bad.yaml:{mistake['said']}"), lines
    allowed = 2 if "note: with" in mistake["new"] else 1  # there, a key is missing and another unknown
    assert len(lines) == allowed, lines
    assert all("; " in line for line in lines)


def test_all_mistakes_at_once_in_the_order_of_the_file(edited: Edited, errors_of: Errors) -> None:
    path = edited(
        ("backend: x86", "backend: x86\nbackend: x86"),
        ("capacity: 1 MiB", "capacity: 1024"),
        ("order: free", "ordr: free"),
        ("at_most: 4", "at_most: 4.5"),
        ("[root, parallel, cache]", "[rooot]"),
        ("register.m * register.n", "registr.m * register.z / 2"),
    )
    lines = errors_of(path)
    assert [int(line.split(":")[1]) for line in lines] == [6, 18, 22, 24, 26, 30]


def test_a_rule_with_two_unknown_names_gets_two_lines(edited: Edited, errors_of: Errors) -> None:
    lines = errors_of(edited(("register.m * register.n +", "registr.m * register.z +")))
    assert [line.split(": ")[0] for line in lines] == ["bad.yaml:29:14", "bad.yaml:29:26"]


def test_a_rule_over_several_lines(edited: Edited, errors_of: Errors) -> None:
    text = "require: >-\n      register.m * register.n\n      + register.nn + 1 <= memories.register.vectors"
    lines = errors_of(
        edited(("require: register.m * register.n + register.n + 1 <= memories.register.vectors", text))
    )
    assert lines[0].startswith(
        "bad.yaml:31:9: rules.register-budget.require: unknown group 'nn' in 'register.nn'; "
    )


def test_a_broken_part_raises_no_second_error(edited: Edited, errors_of: Errors) -> None:
    """The rule names a capacity that cannot be read and a level whose axes cannot."""
    lines = errors_of(
        edited(
            ("capacity: 32 vectors", "capacity: 32 vektors"),
            ("name: register, axes: spatial", "name: register, axes: spatal"),
        )
    )
    assert len(lines) == 2, lines


@pytest.mark.parametrize("text", ["- a\n- b\n", "word\n"])
def test_the_document_must_be_a_map(tmp_path: Path, errors_of: Errors, text: str) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    assert errors_of(path) == ["bad.yaml:1:1: a map of keys is due; begin with 'schema: heron/accelerator/1'"]


@pytest.mark.parametrize("key", ["intrinsics", "memories", "levels", "stages", "limits", "rules", "requires"])
@pytest.mark.parametrize("value", ["3", "word", "[1, 2]", "{a: 1}", "[[]]", "[{}]", ""])
def test_the_wrong_kind_of_value_anywhere(tmp_path: Path, key: str, value: str) -> None:
    path = tmp_path / "odd.yaml"
    path.write_text(
        f"schema: heron/accelerator/1\nname: odd\nextends: {FILES / 'dlboost-sketch.yaml'}\n{key}: {value}\n"
    )
    if (key, value) == ("limits", "{a: 1}"):
        assert load(path).limits == {"a": 1}
        return
    with pytest.raises(AcceleratorError) as caught:
        load(path)
    assert all(problem.origin.file.endswith("odd.yaml") for problem in caught.value.problems)
    assert all("; " in problem.message for problem in caught.value.problems), str(caught.value)


def test_unknown_names_and_files() -> None:
    with pytest.raises(InputError, match=r"no accelerator 'dlbost'; did you mean 'dlboost'\?"):
        load("dlbost")
    with pytest.raises(InputError, match=r"none\.yaml: no such file; name an accelerator's YAML file"):
        load("./none.yaml")


def test_errors_can_be_pickled(edited: Edited) -> None:
    with pytest.raises(AcceleratorError) as caught:
        load(edited(("order: free", "order: fre")))
    copy = pickle.loads(pickle.dumps(caught.value))
    assert (copy.problems, str(copy), copy.exit_code) == (caught.value.problems, str(caught.value), 2)
