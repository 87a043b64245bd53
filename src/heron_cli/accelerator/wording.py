"""An expression as text: canonical (it parses back to the same tree) and as a sentence for people."""

from __future__ import annotations

from collections.abc import Mapping

from heron_cli.accelerator.nodes import Binary, Boolean, Call, Compare, Contains, Name, Node, Not, Number

_OR, _AND, _NOT, _COMPARE, _SUM, _PRODUCT, _ATOM = range(7)
_SYMBOLS: Mapping[str, str] = {}
_WORDS: Mapping[str, str] = {
    "<=": "is at most",
    "<": "is less than",
    ">=": "is at least",
    ">": "is more than",
    "==": "equals",
    "!=": "differs from",
    "in": "is one of",
}


def to_text(node: Node) -> str:
    """The expression in the rule grammar, with no parenthesis that is not needed."""
    return _write(node, _OR, _SYMBOLS)


def to_prose(node: Node) -> str:
    """The expression as a sentence: `register.m * register.n is at most memories.register.vectors`."""
    return _write(node, _OR, _WORDS)


def _write(node: Node, around: int, words: Mapping[str, str]) -> str:
    """Write `node`, in parentheses if it binds more loosely than `around` demands."""
    text, strength = _plain(node, words)
    return f"({text})" if strength < around else text


def _plain(node: Node, words: Mapping[str, str]) -> tuple[str, int]:
    match node:
        case Number():
            return str(node.value), _ATOM
        case Name():
            return str(node), _ATOM
        case Call():
            inner = ", ".join(_write(argument, _OR, words) for argument in node.arguments)
            return f"{node.function}({inner})", _ATOM
        case Binary():
            strength = _SUM if node.op in "+-" else _PRODUCT
            left, right = _write(node.left, strength, words), _write(node.right, strength + 1, words)
            return f"{left} {node.op} {right}", strength
        case Compare():
            parts = [_write(node.operands[0], _SUM, words)]
            for _, op, right_operand in node.pairs:
                parts += [words.get(op, op), _write(right_operand, _SUM, words)]
            return " ".join(parts), _COMPARE
        case Contains():
            choices = ", ".join(_write(choice, _SUM, words) for choice in node.choices)
            choices = f"({choices},)" if len(node.choices) == 1 and not words else f"({choices})"
            return f"{_write(node.item, _SUM, words)} {words.get('in', 'in')} {choices}", _COMPARE
        case Not():
            return f"not {_write(node.item, _NOT, words)}", _NOT
        case Boolean():
            strength = _AND if node.op == "and" else _OR
            # One level up: `a and (b and c)` is not the tree of `a and b and c`.
            return f" {node.op} ".join(_write(item, strength + 1, words) for item in node.items), strength
