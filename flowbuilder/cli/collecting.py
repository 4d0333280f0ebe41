"""Collecting: turns what the command line names into files, and files into what can be run of them."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pluggy

from flowbuilder.cli.extending import call_one
from flowbuilder.declare.definitions import Definition, StepDefinition, WorkflowDefinition
from flowbuilder.declared import Registry
from flowbuilder.discovery import find_flow_files, implicit_workflow, import_flow_file, runnable
from flowbuilder.errors import CollectError, FlowBuilderError, did_you_mean, error_line, shown
from flowbuilder.settings import Settings


@dataclass(frozen=True, slots=True)
class Target:
    """What one word of the command line names: a path and, after ``::``, a workflow or step."""

    path: Path
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FoundFile:
    """A file that was collected: its workflows, the implicit one included, and all written in it."""

    path: Path
    workflows: tuple[WorkflowDefinition, ...]
    definitions: tuple[Definition, ...]

    @property
    def steps(self) -> list[StepDefinition]:
        """The steps written in the file."""
        return [one for one in self.definitions if isinstance(one, StepDefinition)]


def target_of(word: str) -> Target:
    """Return the target a word of the command line names.

    Raises:
        CollectError: when its path does not exist, saying what may have been meant.
    """
    text, separator, name = word.partition("::")
    path = Path(text)
    if not text or (separator and not name):
        raise CollectError(f"{shown(word)!r} is no target", hint="write PATH or PATH::NAME")
    if "\0" in text or not _exists(path):
        raise CollectError(f"there is no file or folder {shown(text)!r}", hint=_hint(text, path))
    return Target(path, name)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # such as a name too long for the file system
        return False


def _hint(text: str, path: Path) -> str:
    if "=" in text:
        return f"the value of an input is given with -P {shown(text)}"
    if ":" in text:
        return "a workflow or step of a file is named PATH::NAME"
    folder = path.parent
    siblings = (
        [one.name for one in folder.iterdir()] if "\0" not in text and _exists(folder) and folder.is_dir() else []
    )
    return did_you_mean(path.name, siblings) or "paths are taken from the current folder"


class Collector:
    """Collects targets into the registry, each file once."""

    def __init__(self, registry: Registry, settings: Settings) -> None:
        self._registry = registry
        self._settings = settings
        self._found: dict[Path, FoundFile] = {}
        self._confs: dict[str, None] = {}

    def collect(self, target: Target) -> list[FoundFile]:
        """Return the files of a target."""
        return [self._file(path) for path in find_flow_files([target.path])]

    def _file(self, path: Path) -> FoundFile:
        found = self._found.get(path)
        if found is None:
            found = self._python(path) if path.suffix == ".py" else self._other(path)
            self._found[path] = found
        return found

    def _python(self, path: Path) -> FoundFile:
        file = import_flow_file(path, self._settings.root, self._registry)
        for conf in reversed(self._registry.outer[file.module]):
            self._confs.setdefault(conf)
        return FoundFile(
            path=path,
            workflows=tuple(runnable(file, self._registry)),
            definitions=tuple(self._registry.at(file.module).values()),
        )

    def _other(self, path: Path) -> FoundFile:
        """Let a plugin collect a file that is not Python."""
        before = set(self._registry)
        hook = self._settings.plugins.hook.flowbuilder_collect_file
        try:
            taken = hook(path=path, registry=self._registry)
        except (FlowBuilderError, KeyboardInterrupt):
            raise
        except BaseException as error:
            frames = "".join(traceback.format_exception(error))
            raise CollectError(f"a plugin cannot collect {shown(path.name)}", where=str(path), frames=frames) from error
        if not taken:
            raise CollectError(
                f"{shown(path.name)!r} is not a Python file", hint="a flow file ends in .py; other kinds need a plugin"
            )
        new = [one for one in self._registry if one not in before]
        workflows = [one for one in new if isinstance(one, WorkflowDefinition)]
        return FoundFile(path=path, workflows=tuple(workflows), definitions=tuple(new))

    def register_confs(self) -> None:
        """Register each ``flowconf.py`` that holds hooks as a plugin, and configure it."""
        from flowbuilder.host import register

        host = self._settings.plugins
        for module_name in self._confs:
            module = sys.modules[module_name]
            if not any(host.parse_hookimpl_opts(module, name) for name in dir(module)):
                continue
            name = _conf_name(Path(str(module.__file__)), self._settings.root)
            _refuse_late_hooks(module, name)
            register(host, module, name)
            if hasattr(module, "flowbuilder_configure"):
                call_one(host, "flowbuilder_configure", module, name, config=self._settings)


def _conf_name(file: Path, root: Path) -> str:
    return str(file.relative_to(root)) if file.is_relative_to(root) else str(file)


def _refuse_late_hooks(module: object, name: str) -> None:
    for hook in ("flowbuilder_add_options", "flowbuilder_add_commands"):
        if hasattr(module, hook):
            raise CollectError(
                f"{hook} in {shown(name)} would be called too late: options are read before files are collected",
                hint="move it to a module and name that with -p, or plugins = [...] in pyproject.toml",
            )
