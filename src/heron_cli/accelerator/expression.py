"""The grammar of rules, parsed with `ast` and a whitelist: never evaluated.

condition := condition (and | or) condition | not condition | integer op integer [op integer …]
           | integer in (integer, …)                 with op one of == != < <= > >=
integer   := digits | name | integer (+ - * // %) integer | -integer | min(…) | max(…)
name      := a.b | memories.a.b | tile(a).b | a.length(d)
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Callable

from heron_cli.accelerator.nodes import (
    NOWHERE,
    Binary,
    Boolean,
    Call,
    Compare,
    Contains,
    Name,
    Node,
    Not,
    Number,
    children,
    is_boolean,
    names,
)
from heron_cli.accelerator.wording import to_prose, to_text
from heron_cli.errors import InputError, Origin

__all__ = [
    "Binary",
    "Boolean",
    "Call",
    "Compare",
    "Contains",
    "ExpressionError",
    "Name",
    "Node",
    "Not",
    "Number",
    "children",
    "is_boolean",
    "names",
    "parse",
    "to_prose",
    "to_text",
]

LONGEST, DEEPEST, LARGEST = 2000, 32, 10**15  # characters, nested operations, integer literal

_ARITHMETIC: dict[type[ast.operator], str] = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.FloorDiv: "//",
    ast.Mod: "%",
}
_COMPARISON: dict[type[ast.cmpop], str] = {
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
}
_FOREIGN = re.compile(r"&&|\|\||!(?!=)|(?<![=!<>])=(?!=)|[^A-Za-z0-9_.()\[\]+\-*/%=!<>,\s]")
_INSTEAD = {"&&": "write 'and'", "||": "write 'or'", "!": "write 'not'", "=": "write '==' to compare"}
_GRAMMAR = "write integers, names, + - * // %, == != < <= > >=, in, and, or, not, min(…), max(…)"


class ExpressionError(InputError):
    """An expression outside the grammar; `origin` points at the offending part."""

    def __init__(self, origin: Origin, message: str) -> None:
        super().__init__(f"{origin}: {message}")
        self.origin = origin
        self.message = message

    def __reduce__(self) -> tuple[type[ExpressionError], tuple[Origin, str]]:
        return type(self), (self.origin, self.message)


def parse(text: str, origin: Origin = NOWHERE, locate: Callable[[int], Origin] | None = None) -> Node:
    """Parse an expression, integer or condition (ask `is_boolean`).

    `origin` is where its first character stands; `locate` maps an offset in `text` to a place, for text that
    is spread over several lines (by default everything is on the line of `origin`).

    Raises:
        ExpressionError: the text is outside the grammar, too long or too deep.
    """
    return _Parser(text, origin, locate).parse()


class _Parser:
    def __init__(self, text: str, origin: Origin, locate: Callable[[int], Origin] | None) -> None:
        self._text = text
        self._origin = origin
        self._locate = locate
        self._indent = len(text) - len(text.lstrip())

    def parse(self) -> Node:
        if not self._text.strip():
            raise self._error(0, "the expression is empty; write a comparison such as 'register.m <= 8'")
        if len(self._text) > LONGEST:
            raise self._error(0, f"the expression has over {LONGEST} characters; split the rule")
        if foreign := _FOREIGN.search(self._text):
            instead = _INSTEAD.get(foreign[0], _GRAMMAR)
            raise self._error(foreign.start(), f"'{foreign[0]}' is not in the grammar; {instead}")
        # Newlines become blanks: the offsets stay, and `ast` does not end the expression there.
        source = re.sub(r"\s", " ", self._text).strip()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # what Python warns of, the whitelist refuses
                tree = ast.parse(source, mode="eval")
        except SyntaxError as error:
            # Python says 0 when something is missing at the end.
            offset = self._indent + (error.offset - 1 if error.offset else len(source))
            raise self._error(offset, f"not an expression ({error.msg}); {_GRAMMAR}") from None
        except (RecursionError, MemoryError, ValueError):
            raise self._error(0, "the expression is too deep; split the rule") from None
        return self._node(tree.body, 0)

    def _at(self, offset: int) -> Origin:
        if self._locate is not None:
            return self._locate(offset)
        return Origin(self._origin.file, self._origin.line, self._origin.column + offset)

    def _error(self, at: int | ast.expr, message: str) -> ExpressionError:
        offset = at if isinstance(at, int) else at.col_offset + self._indent
        return ExpressionError(self._at(offset), message)

    def _where(self, tree: ast.expr) -> Origin:
        return self._at(tree.col_offset + self._indent)

    def _integer(self, tree: ast.expr, depth: int, user: str) -> Node:
        node = self._node(tree, depth)
        if is_boolean(node):
            raise self._error(
                tree, f"a condition where {user} needs an integer; join conditions with and, or"
            )
        return node

    def _condition(self, tree: ast.expr, depth: int, user: str) -> Node:
        node = self._node(tree, depth)
        if not is_boolean(node):
            raise self._error(tree, f"an integer where {user} needs a condition; compare it, as in 'x > 0'")
        return node

    def _node(self, tree: ast.expr, depth: int) -> Node:
        if depth > DEEPEST:
            raise self._error(tree, f"operations nested over {DEEPEST} deep; split the rule")
        match tree:
            case ast.Constant():
                return self._number(tree, tree.value)
            case ast.Name() | ast.Attribute():
                return self._name(tree)
            case ast.Call():
                return self._call(tree, depth + 1)
            case ast.BinOp():
                return self._binary(tree, depth + 1)
            case ast.UnaryOp():
                return self._unary(tree, depth + 1)
            case ast.Compare():
                return self._compare(tree, depth + 1)
            case ast.BoolOp():
                op = "and" if isinstance(tree.op, ast.And) else "or"
                items = tuple(self._condition(value, depth + 1, f"'{op}'") for value in tree.values)
                return Boolean(op, items, origin=self._where(tree))
            case ast.Tuple() | ast.List():
                raise self._error(tree, "a list stands only after 'in'; write 'x in (1, 2, 4)'")
            case _:
                raise self._error(tree, f"not in the grammar; {_GRAMMAR}")

    def _number(self, tree: ast.expr, value: object) -> Number:
        written = ast.get_source_segment(re.sub(r"\s", " ", self._text).strip(), tree) or ""
        if isinstance(value, bool) or not isinstance(value, int) or not written.isdigit():
            raise self._error(tree, f"'{written}' is not a decimal integer; write digits only")
        if value > LARGEST:
            raise self._error(tree, f"{written} is out of range; write at most {LARGEST}")
        return Number(value, origin=self._where(tree))

    def _unary(self, tree: ast.UnaryOp, depth: int) -> Node:
        where = self._where(tree)
        if isinstance(tree.op, ast.Not):
            return Not(self._condition(tree.operand, depth, "'not'"), origin=where)
        if not isinstance(tree.op, ast.USub):
            raise self._error(tree, f"not in the grammar; {_GRAMMAR}")
        operand = self._integer(tree.operand, depth, "'-'")
        if isinstance(operand, Number):
            return Number(-operand.value, origin=where)
        return Binary("-", Number(0, origin=where), operand, origin=where)

    def _binary(self, tree: ast.BinOp, depth: int) -> Node:
        op = _ARITHMETIC.get(type(tree.op))
        if op is None:
            instead = "write '//', which rounds down" if isinstance(tree.op, ast.Div) else _GRAMMAR
            raise self._error(tree, f"this operator is not in the grammar; {instead}")
        left = self._integer(tree.left, depth, f"'{op}'")
        right = self._integer(tree.right, depth, f"'{op}'")
        if op in ("//", "%") and isinstance(right, Number) and right.value <= 0:
            raise self._error(tree.right, f"'{op}' by {right.value}; divide by a positive number")
        return Binary(op, left, right, origin=self._where(tree))

    def _compare(self, tree: ast.Compare, depth: int) -> Node:
        if any(isinstance(op, ast.In | ast.NotIn) for op in tree.ops):
            return self._contains(tree, depth)
        ops = []
        for op, right in zip(tree.ops, tree.comparators, strict=True):
            if type(op) not in _COMPARISON:
                raise self._error(right, "'is' is not in the grammar; write '=='")
            ops.append(_COMPARISON[type(op)])
        operands = [self._integer(item, depth, f"'{ops[0]}'") for item in (tree.left, *tree.comparators)]
        return Compare(tuple(operands), tuple(ops), origin=self._where(tree))

    def _contains(self, tree: ast.Compare, depth: int) -> Node:
        choices = tree.comparators[0]
        if len(tree.ops) > 1 or not isinstance(choices, ast.Tuple | ast.List) or not choices.elts:
            raise self._error(choices, "'in' needs one list of integers; write 'x in (1, 2, 4)'")
        where = self._where(tree)
        item = self._integer(tree.left, depth, "'in'")
        found = tuple(self._integer(choice, depth, "'in'") for choice in choices.elts)
        node = Contains(item, found, origin=where)
        return node if isinstance(tree.ops[0], ast.In) else Not(node, origin=where)

    def _name(self, tree: ast.Name | ast.Attribute) -> Name:
        path: list[str] = []
        base: ast.expr = tree
        while isinstance(base, ast.Attribute):
            path.insert(0, base.attr)
            base = base.value
        if isinstance(base, ast.Name):
            return Name((base.id, *path), origin=self._where(tree))
        if isinstance(base, ast.Call) and isinstance(base.func, ast.Name) and base.func.id == "tile":
            if len(path) != 1:
                raise self._error(tree, "tile(level) takes one group; write 'tile(level).m'")
            return Name(("tile", path[0]), self._argument(base, "tile(level).m"), origin=self._where(tree))
        raise self._error(tree, "not a name; write 'level.m', 'tile(level).m' or 'memories.name.bytes'")

    def _argument(self, call: ast.Call, example: str) -> str:
        match call.args, call.keywords:
            case [ast.Name(id=word)], []:
                return str(word)
            case [ast.Constant(value=int() as index)], [] if not isinstance(index, bool):
                return str(index)
        raise self._error(call, f"one plain name is due between the parentheses; write '{example}'")

    def _call(self, tree: ast.Call, depth: int) -> Node:
        match tree.func:
            case ast.Name(id=("min" | "max") as function):
                if tree.keywords or len(tree.args) < 2 or any(isinstance(a, ast.Starred) for a in tree.args):
                    raise self._error(
                        tree, f"{function} needs two integers or more; write '{function}(a, b)'"
                    )
                arguments = tuple(self._integer(item, depth, function) for item in tree.args)
                return Call(function, arguments, origin=self._where(tree))
            case ast.Attribute(value=ast.Name(id=stage), attr="length"):
                argument = self._argument(tree, f"{stage}.length(height)")
                return Name((stage, "length"), argument, origin=self._where(tree))
            case ast.Name(id="tile"):
                raise self._error(tree, "tile(level) needs a group; write 'tile(level).m'")
        raise self._error(tree, "unknown function; known: min(…), max(…), tile(level).group, stage.length(d)")
