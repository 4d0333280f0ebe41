"""Work: what every command that collects does: configure, collect, select, and clean up after it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import click
from click.core import ParameterSource

from flowbuilder.cli.collecting import Collector, FoundFile, Target, target_of
from flowbuilder.cli.planning import plan_all
from flowbuilder.cli.selection import select
from flowbuilder.cli.setup import Setup
from flowbuilder.cli.values import gather
from flowbuilder.declare.definitions import WorkflowDefinition
from flowbuilder.declared import Registry, registry
from flowbuilder.plan.plan import Plan
from flowbuilder.settings import Settings
from flowbuilder.terminal import Terminal

TYPED = (ParameterSource.COMMANDLINE, ParameterSource.ENVIRONMENT)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Work:
    """A configured command: its settings, and the way from them to files, workflows and plans."""

    settings: Settings
    setup: Setup
    registry: Registry
    typed: frozenset[str]

    @property
    def names_something(self) -> bool:
        """Whether the command line itself says which workflows are meant."""
        return bool(self.typed & {"paths", "keyword", "tags"})

    def find(self) -> list[tuple[Target, Sequence[FoundFile]]]:
        """Return the targets with their files, after plugins have seen all that was collected."""
        words = self.settings.options["paths"] or (".",)
        if "paths" not in self.typed:
            words = [str(self.settings.root / word) if word != "." else word for word in words]
        collector = Collector(self.registry, self.settings)
        found = [(target, collector.collect(target)) for target in map(target_of, words)]
        collector.register_confs()
        self.settings.plugins.hook.flowbuilder_collection_finish(registry=self.registry)
        return found

    def select(self) -> list[WorkflowDefinition]:
        """Return the selected workflows in the order in which they run."""
        options = self.settings.options
        return select(self.find(), options["keyword"], options["tags"])

    def plan(self, workflows: Sequence[WorkflowDefinition], *, lenient: bool = False) -> list[Plan]:
        """Return the plans of workflows, with the values that were given for their inputs."""
        options = self.settings.options
        values = gather(options, self.setup.project, files_are_typed="params_files" in self.typed)
        return plan_all(
            workflows,
            self.registry,
            values,
            self.settings.plugins,
            lenient=lenient,
            executor=options["executor"],
        )


@contextmanager
def working(context: click.Context) -> Iterator[Work]:
    """Configure the plugins for a command, and let them clean up after it, whatever happens."""
    setup = context.find_object(Setup)
    assert setup is not None
    settings = Settings(
        root=setup.project.root,
        command=str(context.command.name),
        options=MappingProxyType(_options(context, setup)),
        plugins=setup.host,
        terminal=Terminal(),
    )
    typed = frozenset(name for name in context.params if context.get_parameter_source(name) in TYPED)
    try:
        settings.plugins.hook.flowbuilder_configure(config=settings)
        yield Work(settings=settings, setup=setup, registry=registry, typed=typed)
    finally:
        settings.plugins.hook.flowbuilder_unconfigure(config=settings)


def _options(context: click.Context, setup: Setup) -> Mapping[str, Any]:
    """Return the options of ``run``, those of this command put over them."""
    run = setup.run_command.make_context("run", [], parent=context.parent, resilient_parsing=True)
    return {**run.params, **context.params}
