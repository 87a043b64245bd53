from __future__ import annotations

import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heron_cli.accelerator import nodes
from heron_cli.accelerator.expression import (
    DEEPEST,
    Binary,
    Boolean,
    Call,
    Compare,
    Contains,
    ExpressionError,
    Name,
    Node,
    Not,
    Number,
    is_boolean,
    names,
    parse,
    to_prose,
    to_text,
)
from heron_cli.errors import Origin

WHERE = Origin("a.yaml", 7, 14)
WORDS = st.sampled_from(["a", "register", "tile", "memories", "n_2"])
NAMES = st.one_of(
    st.builds(Name, st.tuples(WORDS, WORDS)),
    st.builds(Name, st.tuples(st.just("memories"), WORDS, WORDS)),
    st.builds(Name, st.tuples(st.just("tile"), WORDS), WORDS),
    st.builds(Name, st.tuples(WORDS, st.just("length")), st.sampled_from(["height", "0", "12"])),
)
POSITIVE = st.builds(Number, st.integers(1, 10**15))
NUMBERS = st.builds(Number, st.integers(-(10**15), 10**15))


def _larger(inner: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    divisor = st.one_of(POSITIVE, inner.filter(lambda node: not isinstance(node, Number)))
    return st.one_of(
        st.builds(Binary, st.sampled_from("+-*"), inner, inner),
        st.builds(Binary, st.sampled_from(["//", "%"]), inner, divisor),
        st.builds(Call, st.sampled_from(["min", "max"]), st.lists(inner, min_size=2, max_size=3).map(tuple)),
    )


INTEGERS: st.SearchStrategy[Node] = st.recursive(st.one_of(NUMBERS, NAMES), _larger, max_leaves=8)
COMPARISONS: st.SearchStrategy[Node] = st.one_of(
    st.lists(INTEGERS, min_size=2, max_size=3).flatmap(
        lambda items: st.builds(
            Compare,
            st.just(tuple(items)),
            st.tuples(*[st.sampled_from(["<", "<=", ">", ">=", "==", "!="])] * (len(items) - 1)),
        )
    ),
    st.builds(Contains, INTEGERS, st.lists(INTEGERS, min_size=1, max_size=3).map(tuple)),
)
CONDITIONS: st.SearchStrategy[Node] = st.recursive(
    COMPARISONS,
    lambda inner: st.one_of(
        st.builds(Not, inner),
        st.builds(
            Boolean, st.sampled_from(["and", "or"]), st.lists(inner, min_size=2, max_size=3).map(tuple)
        ),
    ),
    max_leaves=6,
)


def test_the_register_budget() -> None:
    node = parse("register.m * register.n + register.n + 1 <= memories.register.vectors")
    m, n = Name(("register", "m")), Name(("register", "n"))
    need = Binary("+", Binary("+", Binary("*", m, n), n), Number(1))
    assert node == Compare((need, Name(("memories", "register", "vectors"))), ("<=",))
    assert is_boolean(node)
    assert [str(name) for name in names(node)] == [
        "register.m",
        "register.n",
        "register.n",
        "memories.register.vectors",
    ]


def test_names_with_an_argument() -> None:
    assert parse("tile(cache).m") == Name(("tile", "m"), "cache")
    assert parse("pad.length(height)") == Name(("pad", "length"), "height")
    assert parse("pad.length(2)") == Name(("pad", "length"), "2")
    assert str(parse("tile(cache).m")) == "tile(cache).m"
    assert str(parse("pad.length(2)")) == "pad.length(2)"


def test_a_level_may_be_called_tile() -> None:
    assert parse("tile.m") == Name(("tile", "m"))
    assert parse("tile.m") != parse("tile(tile).m")


def test_negative_numbers_and_names() -> None:
    assert parse("-5") == Number(-5)
    assert parse("-a.m") == Binary("-", Number(0), Name(("a", "m")))


def test_not_in() -> None:
    assert parse("a.m not in (1, 2)") == Not(Contains(Name(("a", "m")), (Number(1), Number(2))))
    assert parse("a.m in [4]") == parse("a.m in (4,)")


def test_and_binds_before_or() -> None:
    a, b, c = (parse(f"{letter}.m > 1") for letter in "abc")
    assert parse("a.m > 1 or b.m > 1 and c.m > 1") == Boolean("or", (a, Boolean("and", (b, c))))


def test_chained_comparison_has_pairs() -> None:
    node = parse("1 <= a.m < 8")
    assert isinstance(node, Compare)
    assert [(to_text(left), op, to_text(right)) for left, op, right in node.pairs] == [
        ("1", "<=", "a.m"),
        ("a.m", "<", "8"),
    ]


@pytest.mark.parametrize(
    ("text", "column", "said"),
    [
        ("a.m / 2 < 1", 14, "this operator is not in the grammar; write '//', which rounds down"),
        ("a.m ** 2 < 1", 14, "this operator is not in the grammar"),
        ("a.m << 2 < 1", 14, "this operator is not in the grammar"),
        ("a.m < 1.5", 20, "'1.5' is not a decimal integer; write digits only"),
        ("a.m < 0x10", 20, "'0x10' is not a decimal integer; write digits only"),
        ("a.m < 1_000", 20, "'1_000' is not a decimal integer; write digits only"),
        ("a.m < True", 20, "'True' is not a decimal integer; write digits only"),
        ("a.m < 9999999999999999", 20, "9999999999999999 is out of range"),
        ("a.m < 1 && b.m < 2", 22, "'&&' is not in the grammar; write 'and'"),
        ("a.m < 1 || b.m < 2", 22, "'||' is not in the grammar; write 'or'"),
        ("!a.m", 14, "'!' is not in the grammar; write 'not'"),
        ("a.m = 1", 18, "'=' is not in the grammar; write '==' to compare"),
        ("a.m ≤ 1", 18, "'≤' is not in the grammar"),
        ("a.m < 'x'", 20, "''' is not in the grammar"),
        ("a.m <", 19, "not an expression (invalid syntax)"),
        ("a.m < 1) + (2", 21, "not an expression (unmatched ')')"),
        ("", 14, "the expression is empty"),
        ("   ", 14, "the expression is empty"),
        ("sum(a.m, 2) < 1", 14, "unknown function; known: min(…), max(…)"),
        ("__import__(os) < 1", 14, "unknown function"),
        ("a.b.c(1) < 1", 14, "unknown function"),
        ("min(a.m) < 1", 14, "min needs two integers or more; write 'min(a, b)'"),
        ("min(a.m, b=2) < 1", 24, "'=' is not in the grammar"),
        ("min(*a, 2) < 1", 14, "min needs two integers or more"),
        ("tile(a) < 1", 14, "tile(level) needs a group; write 'tile(level).m'"),
        ("tile(a).b.c < 1", 14, "tile(level) takes one group"),
        ("tile(a, b).m < 1", 14, "one plain name is due between the parentheses; write 'tile(level).m'"),
        ("tile(a.b).m < 1", 14, "one plain name is due between the parentheses"),
        ("pad.length(a + 1) < 1", 14, "one plain name is due between the parentheses"),
        ("a[0] < 1", 14, "not in the grammar"),
        ("a.m if 1 < 2 else b.m", 14, "not in the grammar"),
        ("lambda", 20, "not an expression"),
        ("~1 < 2", 14, "'~' is not in the grammar"),
        ("+1 < 2", 14, "not in the grammar"),
        ("(1, 2) < 3", 14, "a list stands only after 'in'; write 'x in (1, 2, 4)'"),
        ("a.m in b.m", 21, "'in' needs one list of integers; write 'x in (1, 2, 4)'"),
        ("a.m in ()", 21, "'in' needs one list of integers"),
        ("a.m in (1, 2) in (3,)", 21, "'in' needs one list of integers"),
        ("a.m is 1", 21, "'is' is not in the grammar; write '=='"),
        ("(a.m < 1) + 2 < 3", 15, "a condition where '+' needs an integer; join conditions with and, or"),
        (
            "a.m < 1 == b.m < 2 and 3",
            37,
            "an integer where 'and' needs a condition; compare it, as in 'x > 0'",
        ),
        ("not a.m", 18, "an integer where 'not' needs a condition"),
        ("a.m // 0 < 1", 21, "'//' by 0; divide by a positive number"),
        ("a.m % -2 < 1", 20, "'%' by -2; divide by a positive number"),
        ("(a.m < 1).b < 2", 14, "not a name; write 'level.m', 'tile(level).m' or 'memories.name.bytes'"),
    ],
)
def test_refuses_with_the_place(text: str, column: int, said: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse(text, WHERE)
    assert str(caught.value).startswith(f"a.yaml:7:{column}: {said}"), str(caught.value)
    assert "; " in caught.value.message


def test_size_and_depth_are_limited() -> None:
    nested = "1" + " + (1" * (DEEPEST + 1) + ")" * (DEEPEST + 1) + " > 0"
    for text in ("a.m + " * 1000 + "1 > 0", nested, "-" * 1500 + "1", "not " * 400 + "1 > 0", "(" * 1000):
        with pytest.raises(ExpressionError):
            parse(text)
    assert is_boolean(parse("1" + " + (1" * (DEEPEST - 3) + ")" * (DEEPEST - 3) + " > 0"))


def test_positions_follow_the_text_over_lines() -> None:
    text = "a.m <= 1\n  and b.m / 2 > 1"
    starts = {offset: (1 + text[:offset].count("\n"), offset) for offset in range(len(text))}
    with pytest.raises(ExpressionError) as caught:
        parse(text, WHERE, lambda offset: Origin("x", *starts[offset]))
    assert caught.value.origin == Origin("x", 2, text.index("b.m"))
    node = parse("  a.m <= b.n", WHERE)
    assert [name.origin.column for name in names(node)] == [16, 23]


def test_equality_is_blind_to_place() -> None:
    assert parse("a.m<1", WHERE) == parse("  a.m  <  1")
    assert hash(parse("a.m<1", WHERE)) == hash(parse("a.m < 1"))


@given(st.one_of(INTEGERS, CONDITIONS))
@settings(max_examples=200)
def test_text_parses_back_to_the_same_tree(node: Node) -> None:
    assert parse(to_text(node)) == node
    assert pickle.loads(pickle.dumps(node)) == node


@given(st.text(alphabet="ab.m<>=()+-*/% 12,[]andorti", max_size=40))
@settings(max_examples=300)
def test_any_text_is_parsed_or_refused(text: str) -> None:
    try:
        node = parse(text)
    except ExpressionError:
        return
    assert parse(to_text(node)) == node


def test_prose() -> None:
    node = parse("(a.m + 1) * 2 <= limits.x and not (b.n in (1, 2) or b.n != 3)")
    assert to_prose(node) == (
        "(a.m + 1) * 2 is at most limits.x and not (b.n is one of (1, 2) or b.n differs from 3)"
    )


def test_children_reach_every_operand() -> None:
    node = parse("min(a.a, b.b) // c.c % 2 < d.d and not e.e in (f.f, 1) or g.g == 1")
    assert "".join(name.path[0] for name in names(node)) == "abcdefg"
    assert nodes.children(Number(1)) == ()


def test_errors_can_be_pickled() -> None:
    error = ExpressionError(WHERE, "what; remedy")
    copy = pickle.loads(pickle.dumps(error))
    assert (copy.origin, copy.message, str(copy)) == (WHERE, "what; remedy", str(error))
