"""An accelerator's YAML into the model, or every error in it at once."""

from __future__ import annotations

import os

from heron_cli.accelerator import catalog
from heron_cli.accelerator.build import build
from heron_cli.accelerator.extends import read_with_bases
from heron_cli.accelerator.model import Accelerator
from heron_cli.accelerator.problems import AcceleratorError
from heron_cli.accelerator.references import check
from heron_cli.accelerator.validation import validate


def load(name_or_path: str | os.PathLike[str]) -> Accelerator:
    """Load the accelerator of that name, or the one in that file.

    Raises:
        AcceleratorError: the file is wrong; one line per problem, `file:line:column: path: what; remedy`.
        InputError: there is no such accelerator, or its file cannot be read.
    """
    root, problems = read_with_bases(catalog.find(name_or_path))
    document, key_problems = validate(root)
    reference_problems, expressions = check(root)
    problems = [*problems, *key_problems, *reference_problems]
    if problems or document is None:
        raise AcceleratorError(problems)
    return build(document, expressions, root)
