"""Collecting: turns the words of a command line into files, and files into what can be run of them."""

from __future__ import annotations

import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from flowbuilder.cli.boundary import lines_of_a_plugin
from flowbuilder.cli.extending import call_one
from flowbuilder.cli.output import say
from flowbuilder.declare.definitions import Definition, StepDefinition, WorkflowDefinition
from flowbuilder.declare.validate import composed
from flowbuilder.declared import Registry
from flowbuilder.discovery import find_flow_files, import_flow_file, runnable
from flowbuilder.errors import CollectError, FlowBuilderError, did_you_mean, shown, shown_value
from flowbuilder.settings import Settings

LONG_IMPORT = 10.0
TOO_LATE = ("flowbuilder_add_options", "flowbuilder_add_commands")


@dataclass(frozen=True, slots=True)
class Target:
    """What one word of the command line names: a path and, after ``::``, a workflow or step."""

    path: Path
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FoundFile:
    """A file that was collected: its workflows, the implicit one included, and all that is written in it."""

    path: Path
    workflows: tuple[WorkflowDefinition, ...]
    definitions: tuple[Definition, ...]

    @property
    def steps(self) -> list[StepDefinition]:
        """The steps written in the file."""
        return [one for one in self.definitions if isinstance(one, StepDefinition)]


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """The files of a target."""

    target: Target
    files: tuple[FoundFile, ...]


def target_of(word: str, before: str = "") -> Target:
    """Return the target that a word of the command line names; ``before`` is the word before it.

    Raises:
        CollectError: when its path does not exist, saying what may have been meant.
    """
    text, separator, name = word.partition("::")
    if not text or (separator and not name):
        raise CollectError(f"{shown_value(word)} names nothing", hint="write PATH or PATH::NAME")
    if not _exists(Path(text)):
        raise CollectError(f"there is no file or folder {shown_value(text)}", hint=_what_was_meant(Path(text), before))
    return Target(Path(text), composed(name))


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a name that is too long, or holds a NUL character
        return False


def _what_was_meant(path: Path, before: str) -> str:
    if "=" in str(path):
        return f"the value of an input is given with -P {shown(path)}"
    if ":" in str(path):
        return "a workflow or step of a file is named PATH::NAME"
    try:
        names = [one.name for one in path.parent.iterdir()]
    except (OSError, ValueError):
        names = []
    return did_you_mean(path.name, names) or _named_of(before, path) or "paths are taken from the current folder"


def _named_of(before: str, path: Path) -> str:
    """Return the hint for a name that was written as a second path, after that of its file."""
    file = before.partition("::")[0]
    is_name = str(path) == path.name and not path.suffix
    return f"did you mean {shown_value(f'{file}::{path}')}?" if file and is_name else ""


class Collector:
    """Collects targets into a registry, each file once, and remembers the ``flowconf.py`` above them."""

    def __init__(self, registry: Registry, settings: Settings) -> None:
        self._registry = registry
        self._settings = settings
        self._files: dict[Path, FoundFile] = {}
        self._confs: dict[str, None] = {}

    def collect(self, target: Target) -> Found:
        """Return a target with its files.

        Raises:
            CollectError: when a file cannot be imported, or is of no known kind.
        """
        try:
            paths = find_flow_files([target.path])
        except OSError as error:
            raise CollectError(f"a folder cannot be read: {error.strerror}", where=shown(error.filename)) from error
        return Found(target, tuple(self._files.get(path) or self._collected(path) for path in paths))

    def _collected(self, path: Path) -> FoundFile:
        with _told_when_long(path):
            found = self._flow_file(path) if path.suffix == ".py" else self._other_file(path)
        self._files[path] = found
        return found

    def _flow_file(self, path: Path) -> FoundFile:
        file = import_flow_file(path, self._settings.root, self._registry)
        self._confs.update(dict.fromkeys(reversed(self._registry.outer[file.module])))
        return FoundFile(
            path=path,
            workflows=tuple(runnable(file, self._registry)),
            definitions=tuple(self._registry.at(file.module).values()),
        )

    def _other_file(self, path: Path) -> FoundFile:
        """Let a plugin collect a file that is not Python."""
        before = set(self._registry)
        if not self._is_taken(path):
            raise CollectError(
                f"{shown_value(path.name)} is not a Python file",
                hint="a flow file ends in .py; a file of another kind needs a plugin that collects it",
            )
        new = tuple(one for one in self._registry if one not in before)
        workflows = tuple(one for one in new if isinstance(one, WorkflowDefinition))
        return FoundFile(path=path, workflows=workflows, definitions=new)

    def _is_taken(self, path: Path) -> bool:
        hook = self._settings.plugins.hook.flowbuilder_collect_file
        try:
            return bool(hook(path=path, registry=self._registry))
        except (FlowBuilderError, KeyboardInterrupt):
            raise
        except BaseException as error:  # a plugin reads a file of its user, and may raise anything over it
            own = lines_of_a_plugin(error.__traceback__)
            frames = "".join(traceback.format_exception(type(error), error, own)).rstrip()
            raise CollectError(
                f"a plugin cannot collect {shown_value(path.name)}", where=str(path), frames=frames
            ) from error

    def register_confs(self) -> None:
        """Register each ``flowconf.py`` that holds hooks as a plugin, and configure it.

        Raises:
            PluginError: for a wrong hook, or one that would be called too late.
        """
        host = self._settings.plugins
        for module in [sys.modules[name] for name in self._confs]:
            if not any(host.parse_hookimpl_opts(module, name) for name in vars(module)):
                continue
            name = self._name_of(module)
            _refuse_late_hooks(module, name)
            host.register(module, name)
            if hasattr(module, "flowbuilder_configure"):
                call_one(host, "flowbuilder_configure", module, name, config=self._settings)

    def _name_of(self, module: ModuleType) -> str:
        file, root = Path(str(module.__file__)), self._settings.root
        return str(file.relative_to(root)) if file.is_relative_to(root) else str(file)


def _refuse_late_hooks(module: ModuleType, name: str) -> None:
    for hook in TOO_LATE:
        if hasattr(module, hook):
            raise CollectError(
                f"{hook} would never be called in {shown(name)}: options are read before files are collected",
                hint="write it in a module of its own, named by -p or by plugins = [...] in pyproject.toml",
            )


@contextmanager
def _told_when_long(path: Path) -> Iterator[None]:
    """Say that a file is being imported when that takes long, since nothing else moves then."""
    text = f"note: importing {shown(path)} has taken {LONG_IMPORT:g} s so far"
    timer = threading.Timer(LONG_IMPORT, say, [text])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
