"""Session: what every command that collects does: configure, collect, select, plan, and clean up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import click
from click.core import ParameterSource

from flowbuilder.cli.collecting import Collector, Found, Target, target_of
from flowbuilder.cli.extending import each_plugin
from flowbuilder.cli.planning import Planner
from flowbuilder.cli.selection import Choice
from flowbuilder.cli.setup import Setup
from flowbuilder.cli.values import Values, gather
from flowbuilder.declare.definitions import WorkflowDefinition
from flowbuilder.declared import registry
from flowbuilder.errors import CollectError
from flowbuilder.plan.plan import Plan
from flowbuilder.settings import Settings
from flowbuilder.terminal import Terminal

TYPED = (ParameterSource.COMMANDLINE, ParameterSource.ENVIRONMENT)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Session:
    """A command at work.

    ``typed`` names the options that its command line gives; ``choice`` is what ``-k`` and ``-m``
    ask for, ``values`` what was given for inputs, ``resources`` how much its command line
    says there is of each.
    """

    settings: Settings
    setup: Setup
    typed: frozenset[str]
    choice: Choice
    values: Values
    resources: Mapping[str, int]

    @property
    def names_something(self) -> bool:
        """Whether the command line itself says which workflows are meant."""
        return bool(self.typed & {"paths", "keyword", "tags"})

    @property
    def narrows(self) -> bool:
        """Whether less is asked for than all that is found."""
        options = self.settings.options
        is_named = any("::" in word for word in options["paths"])
        return is_named or options["keyword"] is not None or options["tags"] is not None

    def select(self) -> list[WorkflowDefinition]:
        """Return the selected workflows in the order in which they run."""
        return self.choice.of(self.find())

    def find(self) -> list[Found]:
        """Return what was named with its files, after plugins have seen all that was collected."""
        self.setup.settle()
        collector = Collector(registry, self.settings)
        found = [collector.collect(target) for target in self._targets()]
        collector.register_confs()
        self.settings.plugins.hook.flowbuilder_collection_finish(registry=registry)
        return found

    def _targets(self) -> Sequence[Target]:
        words: Sequence[str] = self.settings.options["paths"]
        if "paths" in self.typed or not words:
            return [target_of(word, before) for before, word in zip(["", *words], words or ["."], strict=False)]
        try:
            return [target_of(str(self.settings.root / word)) for word in words]
        except CollectError as error:
            raise self.setup.project.error("paths", "names what does not exist", got=error.what) from None

    def planner(self, *, lenient: bool = False) -> Planner:
        """Return what plans workflows; a ``lenient`` one leaves out values that are missing."""
        return Planner(registry, self.settings.plugins, self.settings.options["executor"], lenient=lenient)

    def plan(self, workflows: Sequence[WorkflowDefinition], *, lenient: bool = False) -> list[Plan]:
        """Return the plans of workflows, with the values that were given for their inputs.

        Raises:
            FlowBuilderError: for everything that can be known to be wrong before running.
        """
        return self.planner(lenient=lenient).plan(workflows, self.values)


@contextmanager
def session(context: click.Context) -> Iterator[Session]:
    """Configure the plugins for a command, and let them clean up after it, whatever happens."""
    setup = context.ensure_object(Setup)
    settings = Settings(
        root=setup.project.root,
        command="run" if context.command.name == "resume" else str(context.command.name),
        options=MappingProxyType(_options(context, setup)),
        plugins=setup.host,
        terminal=Terminal(),
    )
    ended_by: BaseException | None = None
    try:
        settings.plugins.hook.flowbuilder_configure(config=settings)
        yield _session(context, setup, settings)
    except BaseException as error:
        ended_by = error
        raise
    finally:
        with ExitStack() as cleanup:  # each plugin cleans up, also where another one fails at it
            for _, unconfigure in each_plugin(settings.plugins, "flowbuilder_unconfigure"):
                cleanup.callback(unconfigure, config=settings, error=ended_by)


def _session(context: click.Context, setup: Setup, settings: Settings) -> Session:
    """Return a session; what is wrong with a word of the command line is told before anything is imported."""
    typed = frozenset(name for name in context.params if context.get_parameter_source(name) in TYPED)
    options = settings.options
    return Session(
        settings=settings,
        setup=setup,
        typed=typed,
        choice=Choice(options["keyword"], options["tags"]),
        values=gather(options, setup.project, files_are_typed="params_files" in typed),
        resources=context.params.get("resources", {}),
    )


def _options(context: click.Context, setup: Setup) -> Mapping[str, Any]:
    """Return the options of ``run``, which plugins know, with those of this command over them."""
    run = setup.run_command.make_context("run", [], parent=context.parent, resilient_parsing=True)
    params = {**run.params, **context.params}
    return {**params, "resources": {**setup.project.resources, **params["resources"]}}
