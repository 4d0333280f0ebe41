"""Find duplicate files below a folder: a program that runs steps from code, without a flow file.

python examples/from_code.py FOLDER
"""

from __future__ import annotations

import hashlib
import sys
from collections import Counter
from itertools import groupby
from pathlib import Path

from flowbuilder import FlowBuilder, ParallelConfig, ParallelExecutor, WorkflowDefinition, run

File = tuple[Path, int]


def files(folder: Path) -> list[File]:
    """Return every file below a folder with its size, hidden ones and caches left out."""
    found = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    own = [path for path in found if not any(part.startswith((".", "__")) for part in path.relative_to(folder).parts)]
    return [(path, path.stat().st_size) for path in own]


def kinds(files: list[File]) -> str:
    """Say which kinds of files there are most of."""
    counts = Counter(path.suffix or "none" for path, _ in files)
    return ", ".join(f"{suffix} {count:,}" for suffix, count in counts.most_common(5))


def largest(files: list[File]) -> str:
    """Say which files are the largest."""
    by_size = sorted(files, key=lambda file: -file[1])
    return ", ".join(f"{path.name} {size:,} bytes" for path, size in by_size[:3])


def same_size(files: list[File]) -> list[Path]:
    """Return the files that are as large as another: only these can be duplicates."""
    counts = Counter(size for _, size in files)
    return [path for path, size in files if size and counts[size] > 1]


def digest(path: Path) -> str:
    """Return a hash of what is in a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def duplicates(same_size: list[Path], digest: list[str | None]) -> list[list[Path]]:
    """Return groups of files with the same content, the largest first."""
    known = sorted((one, path) for one, path in zip(digest, same_size, strict=True) if one)
    groups = [[path for _, path in group] for _, group in groupby(known, key=lambda pair: pair[0])]
    return sorted((one for one in groups if len(one) > 1), key=lambda group: -group[0].stat().st_size)


def duplicate_finder() -> WorkflowDefinition:
    """Return the workflow: parameters are wired by name, and each file is hashed by itself, in parallel."""
    flow = FlowBuilder("duplicates").step(files).step(same_size)
    flow.step(digest, each={"path": same_size}, on_error="continue")  # a file that cannot be read is left out
    return flow.step(duplicates).build()


def main(folder: Path) -> None:
    """Print what is below a folder, and what is there more than once."""
    if not folder.is_dir():
        sys.exit(f"{str(folder)!r} is no folder")
    result = run(duplicate_finder(), params={"folder": folder}).raise_for_errors()
    looks = ParallelExecutor(ParallelConfig(step_timeout=60)).execute_sync(
        [("kinds", kinds), ("largest", largest)], context={"files": result.steps["files"].value}
    )
    for name, look in looks.results.items():
        print(f"{name}: {look.value}")
    groups = result.value["duplicates"]
    print(f"duplicates: {len(groups):,}, found in {result.duration:.2f} s")
    for group in groups[:10]:
        print("  " + " = ".join(str(path.relative_to(folder)) for path in group))


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "."))
