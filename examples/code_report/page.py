"""The page: a summary as one HTML document without scripts or anything loaded from elsewhere."""

from __future__ import annotations

import platform
from collections.abc import Iterable
from pathlib import Path

from examples.code_report.plots import MOST_DOTS, distribution, scatter
from examples.code_report.summary import COMPLEX, File, Found, Package, Summary
from examples.code_report.svg import counted, heat, level, number, text
from examples.code_report.treemap import treemap

MOST_PACKAGES = 15
HEAT_KEYS = ((1, "up to 1.5"), (2, "2"), (3, "3"), (5, "5"), (6, "above"))


def page(summary: Summary) -> str:
    """Return the report as HTML."""
    root = summary.root.absolute()
    style = Path(__file__).with_name("page.css").read_text(encoding="utf-8")
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<link rel="icon" href="data:,">
<title>Code report: {text(root.name)}</title>
<style>
{style}</style>
</head>
<body>
<main>
<header>
<h1>{text(root.name or root)}</h1>
<p class="path">{text(root)}</p>
{_lead(summary)}
</header>
{_tiles(summary)}
{_pictures(summary)}
{_section("Largest packages", _packages_note(summary), _packages(summary))}
{_section("Most complex functions", "Candidates for splitting, and for the next test", _most_complex(summary))}
{_section("Files that did not parse", _broken_note(summary), _broken(summary)) if summary.broken else ""}
<footer>Complexity is McCabe's, by function: one, and one more for each branch, loop, handler, comprehension, case,
and each further operand of <code>and</code> and <code>or</code>. Docstrings count as code. Measured with Python
{platform.python_version()}.</footer>
</main>
</body>
</html>
"""


def _lead(summary: Summary) -> str:
    if not summary.functions:
        return '<p class="lead">There is no function in these files.</p>'
    share = summary.complex_functions / summary.functions
    weight = sum(bar.complexity for bar in summary.bars if bar.low > COMPLEX) / sum(b.complexity for b in summary.bars)
    worst = summary.most_complex[0]
    longest = ""
    if summary.longest is not None:
        lines = counted(summary.longest.function.lines, "line")
        longest = f"; the longest is <b>{text(summary.longest.function.name)}</b> with {lines}"
    return (
        f'<p class="lead"><b>{share:.1%} of the functions</b> have a complexity above {COMPLEX}'
        f" and hold <b>{weight:.0%} of all complexity</b>. The most complex is"
        f" <b>{text(worst.function.name)}</b> with {number(worst.function.complexity)}{longest}.</p>"
    )


def _tiles(summary: Summary) -> str:
    comments = summary.comments / summary.lines if summary.lines else 0
    tiles = [
        ("files", number(summary.files)),
        ("lines", number(summary.lines)),
        ("lines of code", number(summary.code)),
        ("comment lines", f"{comments:.1%}"),
        ("classes", number(summary.classes)),
        ("functions", number(summary.functions)),
        (f"functions above {COMPLEX}", number(summary.complex_functions)),
    ]
    inner = "\n".join(f"<div><dt>{label}</dt><dd>{value}</dd></div>" for label, value in tiles)
    return f"<dl>\n{inner}\n</dl>"


def _pictures(summary: Summary) -> str:
    files = [file for package in summary.packages for file in package.files]
    if not files:
        return ""
    tree_keys = "".join(_key(heat(mean), told) for mean, told in HEAT_KEYS)
    bar_keys = _key("count", "share of functions") + _key("weight", "share of their complexity")
    tree_note = f"A box is a file, as large as its lines. Mean complexity of its functions: {tree_keys}"
    return (
        _section("Where the code is", tree_note, treemap(summary.packages))
        + '\n<div class="pair">\n'
        + _section("How complex the functions are", bar_keys, distribution(summary.bars))
        + _section("Size and complexity of files", _dots_note(files), scatter(files))
        + "\n</div>"
    )


def _section(title: str, note: str, inner: str) -> str:
    name = title.lower().replace(" ", "-")
    head = f'<h2 id="{name}">{title}</h2>\n<p class="note">{note}</p>'
    return f'<section aria-labelledby="{name}">\n{head}\n{inner}\n</section>'


def _key(kind: str, told: str) -> str:
    return f'<span class="key"><i class="{kind}"></i>{told}</span> '


def _dots_note(files: list[File]) -> str:
    if len(files) > MOST_DOTS:
        return f"The {number(MOST_DOTS)} most complex of {number(len(files))} files; point at one for its name"
    return "A dot is a file, coloured as above, on logarithmic axes; point at one for its name"


def _packages_note(summary: Summary) -> str:
    rest = summary.packages[MOST_PACKAGES:]
    more = f"; {len(rest)} more with {number(sum(one.lines for one in rest))} lines" if rest else ""
    return f"By folder{more} {_key('count', 'code')}{_key('pale', 'comments and blank lines')}"


def _packages(summary: Summary) -> str:
    most = max((package.lines for package in summary.packages), default=0) or 1
    rows = (_package_row(package, most) for package in summary.packages[:MOST_PACKAGES])
    return _table(("package", "files.n", "lines.n", "functions.n", f"above {COMPLEX}.n", ".meter"), rows)


def _package_row(package: Package, most: int) -> str:
    code, rest = 100 * package.code / most, 100 * (package.lines - package.code) / most
    share = f"{package.complex_functions / package.functions:.1%}" if package.functions else "–"
    return (
        f"<tr><td>{text(package.name)}</td>{_number_cells(len(package.files), package.lines, package.functions)}"
        f'<td class="n">{share}</td><td class="meter"><span><i class="count" style="width:{code:.2f}%"></i>'
        f'<i class="pale" style="width:{rest:.2f}%"></i></span></td></tr>'
    )


def _most_complex(summary: Summary) -> str:
    most = summary.most_complex[0].function.complexity if summary.most_complex else 1
    rows = (_function_row(one, most) for one in summary.most_complex)
    return _table(("function", "file", "lines.n", "complexity.n", ".meter"), rows)


def _function_row(found: Found, most: int) -> str:
    one = found.function
    return (
        f"<tr><td><code>{text(one.name)}</code></td><td>{text(found.path)}:{one.line}</td>"
        f'{_number_cells(one.lines, one.complexity)}<td class="meter"><span>'
        f'<i class="{level(one.complexity)}" style="width:{100 * one.complexity / most:.1f}%"></i></span></td></tr>'
    )


def _broken_note(summary: Summary) -> str:
    return f"{counted(len(summary.broken), 'file')}, counted by lines alone"


def _broken(summary: Summary) -> str:
    rows = (f"<tr><td>{text(path)}</td><td>{text(error)}</td></tr>" for path, error in summary.broken)
    return _table(("file", "reason"), rows)


def _table(heads: Iterable[str], rows: Iterable[str]) -> str:
    """Return a table; a head is its title, and its class after a dot."""
    cells = "".join(_head(*head.partition(".")[::2]) for head in heads)
    inner = "\n".join(rows)
    return f"<table>\n<thead><tr>{cells}</tr></thead>\n<tbody>\n{inner}\n</tbody>\n</table>"


def _head(title: str, kind: str) -> str:
    return f'<th scope="col" class="{kind}">{title}</th>' if title else f'<td class="{kind}"></td>'


def _number_cells(*values: float) -> str:
    return "".join(f'<td class="n">{number(value)}</td>' for value in values)
