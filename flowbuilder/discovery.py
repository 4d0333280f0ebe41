"""Discovery: finds flow files and imports each once, in this process and in workers alike."""

from __future__ import annotations

import hashlib
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import sys
import traceback
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from flowbuilder.declare.collection import Collection
from flowbuilder.declare.definitions import Definition, StepDefinition, WorkflowDefinition, definition_of
from flowbuilder.errors import CollectError, FlowBuilderError, Where, error_line, shown, shown_value

PATTERNS = ("flow_*.py", "*_flow.py")
CONF = "flowconf.py"
LONGEST_LINE = 1000
OURS = str(Path(__file__).parent)
LEFT_OUT = frozenset({"__pycache__", "node_modules", "site-packages", "build", "dist"})


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowFile:
    """A flow file that was imported, under its module name."""

    path: Path
    module: str


class FlowFinder(importlib.abc.MetaPathFinder):
    """Imports flow files by module name; the same table serves the parent and its workers."""

    def __init__(self) -> None:
        self.table: dict[str, str] = {}

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Return the spec of a known flow file, None for any other module."""
        file = self.table.get(fullname)
        return importlib.util.spec_from_file_location(fullname, file) if file else None

    def name_for(self, path: Path, root: Path) -> str:
        """Return the module name of a flow file: its dotted path below the root.

        A part that is no identifier, or a name another file already has, gets a suffix made from
        the whole path, so equal file names never mix.
        """
        for known, file in self.table.items():
            if file == str(path):
                return known
        below = path.relative_to(root) if path.is_relative_to(root) else Path(path.name)
        parts = below.with_suffix("").parts
        name = ".".join(parts)
        loaded = sys.modules.get(name)
        taken = name in self.table or (loaded is not None and getattr(loaded, "__file__", None) != str(path))
        if taken or not all(part.isidentifier() for part in parts):
            plain = "".join(c if c.isidentifier() or c.isdigit() else "_" for c in parts[-1])
            name = f"{plain}_{hashlib.sha256(str(path).encode(errors='surrogateescape')).hexdigest()[:8]}"
        self.table[name] = str(path)
        return name


def install_finder() -> FlowFinder:
    """Return the process's one flow finder, putting it on ``sys.meta_path`` the first time."""
    for finder in sys.meta_path:
        if isinstance(finder, FlowFinder):
            return finder
    made = FlowFinder()
    sys.meta_path.insert(0, made)
    return made


def find_root(start: Path) -> Path:
    """Return the folder of the nearest ``pyproject.toml`` at or above ``start``, else its own folder."""
    folder = start if start.is_dir() else start.parent
    for one in (folder, *folder.parents):
        if (one / "pyproject.toml").is_file():
            return one
    return folder


def find_flow_files(paths: Iterable[Path]) -> list[Path]:
    """Return files as they are given, and the flow files below each folder, sorted by path.

    Raises:
        CollectError: for a path that does not exist.
    """
    found: dict[Path, None] = {}
    for path in paths:
        if path.is_dir():
            found.update(dict.fromkeys(_below(path.resolve())))
        elif path.is_file():
            found[path.resolve()] = None
        else:
            raise CollectError(
                f"there is no file or folder {shown_value(str(path))}", hint="paths are taken from the current folder"
            )
    return list(found)


def _below(folder: Path) -> list[Path]:
    found: list[Path] = []
    for entry in sorted(folder.iterdir()):
        if entry.is_dir() and not entry.is_symlink():
            if not entry.name.startswith(".") and entry.name not in LEFT_OUT:
                found += _below(entry)
        elif any(entry.match(pattern) for pattern in PATTERNS):
            found.append(entry)
    return found


def import_flow_file(path: Path, root: Path, collection: Collection) -> FlowFile:
    """Import a flow file, and before it the ``flowconf.py`` of its folder and of those above.

    Raises:
        CollectError: when a file cannot be read or imported, with the user's own frames.
    """
    path, root = path.resolve(), root.resolve()
    if str(root) not in sys.path:
        sys.path.append(str(root))
    confs = [_imported(conf, root, collection).module for conf in _confs_above(path, root) if conf != path]
    file = _imported(path, root, collection)
    collection.outer[file.module] = tuple(reversed(confs))
    return file


def _confs_above(path: Path, root: Path) -> list[Path]:
    """Return the flowconf.py files for ``path``, outermost first."""
    folders = [folder for folder in path.parents if folder.is_relative_to(root)] or [path.parent]
    return [folder / CONF for folder in reversed(folders) if (folder / CONF).is_file()]


def _imported(path: Path, root: Path, collection: Collection) -> FlowFile:
    if path.suffix != ".py":
        raise CollectError(f"{shown_value(path.name)} is not a Python file", hint="a flow file ends in .py")
    finder = install_finder()
    name = finder.name_for(path, root)
    try:
        module = importlib.import_module(name)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        # A module that failed halfway must not leave half of its definitions behind.
        collection.forget(name)
        raise _import_failed(path, error) from error
    for thing in list(vars(module).values()):
        definition = definition_of(thing)
        if definition is not None and definition.module == name and not definition.scope:
            collection.keep(definition)
    return FlowFile(path=path, module=name)


def _import_failed(path: Path, error: BaseException) -> Exception:
    if isinstance(error, FlowBuilderError):
        return error
    frames = foreign_frames(error) + last_line(error)
    if isinstance(error, SyntaxError) and error.filename:
        return CollectError(
            "a flow file has a syntax error", where=Where(error.filename, error.lineno or 0), frames=frames
        )
    foreign = _foreign(error)
    where = Where(foreign[-1].filename, foreign[-1].lineno or 0) if foreign else str(path)
    return CollectError(f"{shown(path.name)} cannot be imported", where=where, frames=frames)


def foreign_frames(error: BaseException) -> str:
    """Return the lines of a traceback that belong to the code that was imported, not to the importing."""
    lines = traceback.format_list(_foreign(error))
    if isinstance(error, SyntaxError):
        lines += traceback.format_exception_only(error)[:-1]
    return "\n".join(shown(line, LONGEST_LINE) for line in "".join(lines).split("\n"))


def last_line(error: BaseException) -> str:
    """Return what kind of error it is and what it says, as one line that is fit for a terminal."""
    text = f"{type(error).__name__}: {error.msg}" if isinstance(error, SyntaxError) else error_line(error)
    return shown(text, LONGEST_LINE)


def _foreign(error: BaseException) -> list[traceback.FrameSummary]:
    return [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith(("<frozen importlib", OURS)) and "/importlib/" not in frame.filename
    ]


def runnable(file: FlowFile, collection: Collection) -> list[WorkflowDefinition]:
    """Return the workflows written in a file, or the implicit one made of its steps."""
    workflows = collection.written_in(file.module, WorkflowDefinition)
    steps = collection.written_in(file.module, StepDefinition)
    if workflows or not steps:
        return workflows
    return [implicit_workflow(file, steps)]


def implicit_workflow(file: FlowFile, steps: Sequence[Definition]) -> WorkflowDefinition:
    """Return the workflow that the steps of a file form, named after the file."""
    stem = file.path.stem
    return WorkflowDefinition(
        fn=None,
        name=stem.removeprefix("flow_").removesuffix("_flow") or stem,
        where=Where(str(file.path), 1),
        module=file.module,
        steps=tuple(steps),
    )


def conf_modules(collection: Collection) -> list[ModuleType]:
    """Return the imported ``flowconf.py`` modules, outermost first; they may hold hooks."""
    names = dict.fromkeys(name for outer in collection.outer.values() for name in reversed(outer))
    return [sys.modules[name] for name in names if name in sys.modules]
