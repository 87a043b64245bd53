"""Expression trees as people write them, with the numbers of an assignment on demand."""

from __future__ import annotations

from heron_cli.space.expression import (
    All,
    Any_,
    CeilDiv,
    Compare,
    Const,
    FloorDiv,
    Maximum,
    Minimum,
    Modulo,
    Node,
    Not,
    Product,
    Select,
    Sum,
    Var,
)

# Binding strength, weakest first; a child weaker than its parent is put in parentheses.
_OR, _AND, _NOT, _COMPARE, _SUM, _PRODUCT, _ATOM = range(7)


def to_prose(node: Node) -> str:
    """The tree in the notation of the rule grammar, for example `m * n + n + 1 <= 32`."""
    return _print(node)[0]


def number(value: int) -> str:
    """A whole number with thousands separated by commas."""
    return f"{value:,}"


def _inside(node: Node, strength: int) -> str:
    text, own = _print(node)
    return text if own >= strength else f"({text})"


def _print(node: Node) -> tuple[str, int]:
    match node:
        case Const(value):
            return number(value), _ATOM if value >= 0 else _PRODUCT
        case Var(name):
            return name, _ATOM
        case Sum(terms):
            return _print_sum(terms), _SUM
        case Product(factors):
            return " * ".join(
                _inside(factor, _PRODUCT + (k > 0)) for k, factor in enumerate(factors)
            ), _PRODUCT
        case FloorDiv(left, right):
            return f"{_inside(left, _PRODUCT)} // {_inside(right, _ATOM)}", _PRODUCT
        case CeilDiv(left, right):
            return f"ceil({_inside(left, _PRODUCT)} / {_inside(right, _ATOM)})", _ATOM
        case Modulo(left, right):
            return f"{_inside(left, _PRODUCT)} % {_inside(right, _ATOM)}", _PRODUCT
        case Minimum(items):
            return f"min({', '.join(map(to_prose, items))})", _ATOM
        case Maximum(items):
            return f"max({', '.join(map(to_prose, items))})", _ATOM
        case Select(index, cases):
            return f"[{', '.join(map(to_prose, cases))}][{to_prose(index)}]", _ATOM
        case Compare("==", Modulo(left, right), Const(0)):
            return f"{_inside(right, _SUM)} divides {_inside(left, _SUM)}", _COMPARE
        case Compare(op, left, right):
            return f"{_inside(left, _SUM)} {op} {_inside(right, _SUM)}", _COMPARE
        case All(()):
            return "true", _ATOM
        case Any_(()):
            return "false", _ATOM
        case Any_((Not(condition), consequence)):
            return f"if {_inside(condition, _AND)} then {_inside(consequence, _AND)}", _OR
        case All(items):
            return " and ".join(_inside(item, _AND + 1) for item in items), _AND
        case Any_(items):
            return " or ".join(_inside(item, _OR + 1) for item in items), _OR
        case Not(item):
            return f"not {_inside(item, _COMPARE + 1)}", _NOT
    raise TypeError(f"no prose for {type(node).__name__}")


def _print_sum(terms: tuple[Node, ...]) -> str:
    text = ""
    for term in terms:
        match term:
            case Const(value) if value < 0 and text:
                text += f" - {number(-value)}"
                continue
            case Product((Const(factor), *rest)) if factor < 0 and text:
                positive = Product((Const(-factor), *rest)) if factor != -1 else Product(tuple(rest))
                shown = (
                    _inside(positive, _PRODUCT) if len(positive.factors) > 1 else _inside(rest[0], _PRODUCT)
                )
                text += f" - {shown}"
                continue
        text += (" + " if text else "") + _inside(term, _SUM if not text else _PRODUCT)
    return text
