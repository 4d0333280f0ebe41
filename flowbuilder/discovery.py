"""Discovery: finds flow files and imports each once, in this process and in workers alike."""

from __future__ import annotations

import importlib
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


class FlowFinder:
    """Imports flow files by module name; the same table serves the parent and its workers."""

    def __init__(self) -> None:
        self.table: dict[str, str] = {}
        self._names: dict[str, str] = {}

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Return the spec of a known flow file, None for any other module."""
        file = self.table.get(fullname)
        return importlib.util.spec_from_file_location(fullname, file) if file else None

    def name_for(self, path: Path, root: Path) -> str:
        """Return the module name of a flow file: its dotted path below the root.

        A part that is no identifier, or a name that stands for anything else in this process, gets
        a suffix made from the whole path, so equal file names never mix and no module is hidden.
        """
        known = self._names.get(str(path), "")
        if self.table.get(known) == str(path):
            return known
        below = path.relative_to(root) if path.is_relative_to(root) else Path(path.name)
        parts = below.with_suffix("").parts
        name = ".".join(parts)
        if name in self.table or not all(part.isidentifier() for part in parts) or not _is_free(name, path, parts):
            name = _name_apart(path, parts[-1])
        self.table[name] = str(path)
        self._names[str(path)] = name
        return name


def _name_apart(path: Path, stem: str) -> str:
    import hashlib  # seldom needed, and slow to load

    plain = "".join(c if c.isidentifier() or c.isdigit() else "_" for c in stem)
    return f"{plain}_{hashlib.sha256(str(path).encode(errors='surrogateescape')).hexdigest()[:8]}"


def _is_free(name: str, path: Path, parts: Sequence[str]) -> bool:
    """Return whether ``import name`` would mean this file, if it means anything."""
    loaded = sys.modules.get(name)
    if loaded is not None:
        return getattr(loaded, "__file__", None) == str(path)
    if parts[0] in sys.stdlib_module_names:
        return False
    top = sys.modules.get(parts[0])
    spec = top.__spec__ if top is not None else importlib.machinery.PathFinder.find_spec(parts[0])
    if len(parts) == 1:
        return spec is None or spec.origin == str(path)
    folder = str(path.parents[len(parts) - 2])
    return spec is not None and folder in (spec.submodule_search_locations or ())


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
        CollectError: for a path that does not exist or cannot be read.
    """
    found: dict[Path, None] = {}
    for path in paths:
        try:
            whole = path.resolve(strict=True)
            found.update(dict.fromkeys(_below(whole) if whole.is_dir() else [whole]))
        except (FileNotFoundError, NotADirectoryError, ValueError) as error:  # ValueError: a NUL character
            raise CollectError(
                f"there is no file or folder {shown_value(str(path))}", hint="paths are taken from the current folder"
            ) from error
        except (OSError, RuntimeError) as error:  # RuntimeError: a loop of links
            what = getattr(error, "strerror", None) or error
            raise CollectError(f"{shown_value(str(path))} cannot be read: {shown(what)}") from error
    return list(found)


def _below(folder: Path) -> list[Path]:
    found: list[Path] = []
    for entry in sorted(folder.iterdir()):
        if entry.is_dir() and not entry.is_symlink():
            if not _is_left_out(entry):
                found += _below(entry)
        elif any(entry.match(pattern) for pattern in PATTERNS):
            found.append(entry)
    return found


def _is_left_out(folder: Path) -> bool:
    """Return whether a folder holds no flow files: it is hidden, made by a tool, or a virtual environment."""
    return folder.name.startswith(".") or folder.name in LEFT_OUT or (folder / "pyvenv.cfg").is_file()


def import_flow_file(path: Path, root: Path, collection: Collection, written: Collection | None = None) -> FlowFile:
    """Import a flow file, and before it the ``flowconf.py`` of its folder and of those above.

    ``written`` is what bare decorators collect into, where that is another collection.

    Raises:
        CollectError: when a file cannot be read or imported, with the user's own frames.
    """
    path, root = path.resolve(), root.resolve()
    if str(root) not in sys.path:
        sys.path.append(str(root))
    before = set(sys.modules)
    confs = _import_confs(path, root, collection, written)
    file = _imported(path, root, collection, written)
    collection.outer[file.module] = confs
    for name in [name for name in sys.modules if name not in before and name != file.module]:
        _give_confs(name, root, collection, written)
    return file


def _give_confs(name: str, root: Path, collection: Collection, written: Collection | None) -> None:
    """Give a module that a flow file imports what is above it, if it has definitions of its own."""
    path = Path(str(getattr(sys.modules.get(name), "__file__", None)))
    has_definitions = any(one.at(name) for one in (collection, written) if one is not None)
    if has_definitions and path.is_relative_to(root) and name not in collection.outer:
        collection.outer[name] = _import_confs(path, root, collection, written)
        for conf in collection.outer[name]:
            _give_confs(conf, root, collection, written)


def _import_confs(path: Path, root: Path, collection: Collection, written: Collection | None) -> tuple[str, ...]:
    """Import the ``flowconf.py`` files above a file, the outermost first; return their modules, the nearest first."""
    confs = [_imported(conf, root, collection, written).module for conf in _confs_above(path, root) if conf != path]
    return tuple(reversed(confs))


def keep_module(module: ModuleType, collection: Collection, written: Collection | None = None) -> FlowFile:
    """Keep what is written at the top level of a module that is imported."""
    name = module.__name__
    bare = list(written.at(name).values()) if written is not None else []
    for thing in [*bare, *vars(module).values()]:
        definition = definition_of(thing)
        if definition is not None and definition.module == name and not definition.scope:
            collection.keep(definition)
    return FlowFile(path=Path(str(getattr(module, "__file__", None) or name)), module=name)


def _confs_above(path: Path, root: Path) -> list[Path]:
    """Return the flowconf.py files for ``path``, outermost first."""
    folders = [folder for folder in path.parents if folder.is_relative_to(root)] or [path.parent]
    return [folder / CONF for folder in reversed(folders) if (folder / CONF).is_file()]


def _imported(path: Path, root: Path, collection: Collection, written: Collection | None) -> FlowFile:
    if path.suffix != ".py":
        raise CollectError(f"{shown_value(path.name)} is not a Python file", hint="a flow file ends in .py")
    name = install_finder().name_for(path, root)
    try:
        module = importlib.import_module(name)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # the file is its user's code, and may raise anything
        # A module that failed halfway must not leave half of its definitions behind.
        for one in (collection, written):
            if one is not None:
                one.forget(name)
        raise _import_failed(path, error) from error
    return keep_module(module, collection, written)


def _import_failed(path: Path, error: BaseException) -> Exception:
    places = [Where(frame.filename, frame.lineno or 0) for frame in _foreign(error) if frame.filename[:1] != "<"]
    if isinstance(error, FlowBuilderError):
        if error.where is None and places:
            error.where = places[-1]
        return error
    frames = foreign_frames(error) + last_line(error)
    if isinstance(error, SyntaxError) and error.filename:
        return CollectError(
            "a flow file has a syntax error", where=Where(error.filename, error.lineno or 0), frames=frames
        )
    where = places[-1] if places else str(path)
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
