"""A job's outcome as JUnit XML: one suite per accelerator, one case per workload.

A missed bar is a failure, a workload without a kernel an error, one that the budget did not reach is skipped.
The form is the one that Jenkins and GitLab read: testsuites / testsuite / testcase.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from xml.etree import ElementTree as xml

from heron_cli.jobs.run import Outcome

_FORBIDDEN = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # by XML 1.0


def junit(name: str, outcomes: Sequence[Outcome], lines: Sequence[str]) -> bytes:
    """The document of the job called `name`; `lines` say in one line each what became of the workloads."""
    root = xml.Element("testsuites", name=_clean(name))
    suites: dict[str, xml.Element] = {}
    for outcome, line in zip(outcomes, lines, strict=True):
        machine = outcome.task.accelerator.name
        suite = suites.get(machine)
        if suite is None:
            suite = suites[machine] = xml.SubElement(root, "testsuite", name=_clean(f"{name}.{machine}"))
        suite.append(_case(f"{name}.{machine}", outcome, line))
    for element in (*suites.values(), root):
        _count(element)
    xml.indent(root)
    text: str = xml.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{text}\n'.encode()


def _case(suite: str, outcome: Outcome, line: str) -> xml.Element:
    case = xml.Element(
        "testcase",
        classname=_clean(suite),
        name=_clean(outcome.task.workload.name),
        time=f"{outcome.seconds:.3f}",
    )
    if outcome.verdict is not None and outcome.verdict.missed:
        xml.SubElement(case, "failure", type="regression", message=_clean(outcome.verdict.reason))
    elif outcome.error is not None:
        kind = type(outcome.error).__name__
        xml.SubElement(case, "error", type=kind, message=_clean(str(outcome.error)))
    elif outcome.result is None:
        xml.SubElement(case, "skipped", message="the budget of the job did not reach it")
    xml.SubElement(case, "system-out").text = _clean(line)
    return case


def _count(element: xml.Element) -> None:
    cases = list(element.iter("testcase"))
    element.set("tests", str(len(cases)))
    for attribute, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        element.set(attribute, str(sum(case.find(tag) is not None for case in cases)))
    element.set("time", f"{sum(float(case.get('time', '0')) for case in cases):.3f}")


def _clean(text: str) -> str:
    """Without the characters that XML cannot hold."""
    return _FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", text)
