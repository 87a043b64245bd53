"""The keys of a job's YAML (schema heron/job/1)."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from heron_cli import durations
from heron_cli.accelerator import fields as f
from heron_cli.accelerator.document import Strict

SCHEMA = "heron/job/1"


def _time(value: object) -> float:
    if not isinstance(value, str):
        raise ValueError(f"{value} where a time is due; write it with its unit, like 90s, 5m or 1h")
    return durations.seconds(value)


def _schema(text: str) -> str:
    if text != SCHEMA:
        raise ValueError(f"'{text}' is no schema of jobs; write {SCHEMA}")
    return text


def _named(value: object) -> object:
    """A file of workloads may be written as its name alone."""
    return {"file": value} if isinstance(value, str) else value


Time = Annotated[float, BeforeValidator(_time)]
Ratio = Annotated[float, Field(gt=0, le=1000, strict=False)]


class WorkloadsKeys(Strict):
    """Workloads of one file."""

    file: f.Text = Field(description="shipped workloads by name, or a YAML file", examples=["starter"])
    only: f.Texts = Field(default=[], description="the ones whose names match", examples=[["conv*"]])


class BudgetKeys(Strict):
    """What the job may spend; at least one of them."""

    time: Time | None = Field(None, description="wall clock of the whole job", examples=["10m"])
    trials: f.Positive | None = Field(None, description="trials of each workload", examples=[128])

    @model_validator(mode="after")
    def _bounded(self) -> BudgetKeys:
        if self.time is None and self.trials is None:
            raise ValueError("a job without end; add 'time: 10m' or 'trials: 128'")
        return self


class SearchKeys(Strict):
    """How to tune."""

    method: f.Label = Field(default="cga", description="search method")
    seed: f.Natural = Field(default=0, description="seed of every random choice")
    threads: f.Positive = Field(default=1, description="threads that a kernel runs on")


class AcceptanceKeys(Strict):
    """The bar: every workload against what it was before."""

    against: f.Text = Field(
        description="directory of a library, or summary.json of an earlier job", examples=["build/kernels"]
    )
    min_speedup: Ratio = Field(0.95, description="least (old time / new time) of every workload")
    required: bool = Field(False, description="whether it is an error when there is nothing to compare with")


Workloads = Annotated[WorkloadsKeys, BeforeValidator(_named)]


class Document(Strict):
    """A job."""

    schema_: Annotated[str, AfterValidator(_schema)] = Field(
        alias="schema", description="version of this format", examples=[SCHEMA]
    )
    name: f.Label = Field(description="the job's name", examples=["nightly"])
    description: f.Text = Field("", description="one line for people", validate_default=False)
    accelerators: f.Several[f.Text] = Field(
        description="accelerators by name or YAML file", examples=[["vta"]]
    )
    workloads: f.Several[Workloads] = Field(
        description="files of workloads; each is tuned for each accelerator", examples=[["starter"]]
    )
    budget: BudgetKeys = Field(description="what the job may spend", examples=[{"time": "10m"}])
    search: SearchKeys = Field(default=SearchKeys(), description="how to tune")
    acceptance: AcceptanceKeys | None = Field(None, description="the bar")
    library: f.Text | None = Field(None, description="directory in which the libraries are written")
