"""The page: a summary as one HTML document without scripts or anything loaded from elsewhere."""

from __future__ import annotations

from examples.code_report.charts import MOST_DOTS, MOST_PACKAGES, distribution, level, number, packages, scatter, text
from examples.code_report.summary import COMPLEX, Found, Summary

STYLE = """
:root {
  color-scheme: light dark;
  --page: #f6f6f3; --card: #ffffff; --ink: #1d1f21; --faint: #6a6e73; --line: #e3e3dd;
  --calm: #2f6f9f; --pale: #b9d0e1; --warm: #d98e04; --hot: #c2402f;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #131518; --card: #1b1e22; --ink: #e6e7e8; --faint: #979ca3; --line: #2d3238;
    --calm: #6aa9d8; --pale: #34536b; --warm: #e3a73b; --hot: #e5705f;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; padding: 40px 24px 56px; background: var(--page); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif;
}
main { max-width: 1240px; margin: 0 auto; }
h1 { margin: 0; font-size: 28px; font-weight: 650; letter-spacing: -0.01em; overflow-wrap: anywhere; }
h2 { margin: 0 0 2px; font-size: 16px; font-weight: 620; }
.lead { margin: 8px 0 28px; max-width: 75ch; color: var(--faint); font-size: 16px; }
.lead b { color: var(--ink); font-weight: 600; }
.note { margin: 0 0 14px; color: var(--faint); font-size: 13px; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 12px; margin-bottom: 16px; }
.tile, .card { background: var(--card); border: 1px solid var(--line); border-radius: 10px; }
.tile { padding: 14px 18px; }
.tile span { display: block; color: var(--faint); font-size: 13px; }
.tile strong { display: block; font-size: 26px; line-height: 1.25; font-weight: 640; letter-spacing: -0.01em; }
.card { padding: 20px 24px; margin-bottom: 16px; overflow-x: auto; }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(440px, 100%), 1fr)); gap: 0 16px; }
svg { display: block; width: 100%; min-width: 400px; height: auto; }
svg text { font: 12px system-ui, sans-serif; fill: var(--ink); text-anchor: middle; }
svg .tick, svg .row, svg .faint { fill: var(--faint); }
svg .name, svg .row { text-anchor: end; }
svg .beside { text-anchor: start; }
svg .value { font-size: 11px; font-variant-numeric: tabular-nums; }
svg .axis { stroke: var(--faint); }
svg .grid { stroke: var(--line); }
.calm { fill: var(--calm); background: var(--calm); }
.warm { fill: var(--warm); background: var(--warm); }
.hot { fill: var(--hot); background: var(--hot); }
.pale { fill: var(--pale); background: var(--pale); }
.dot { fill: var(--calm); fill-opacity: 0.38; }
.dot:hover { fill: var(--hot); fill-opacity: 1; }
.key { display: inline-block; width: 10px; height: 10px; margin: 0 5px 0 12px; border-radius: 2px; }
table { width: 100%; border-collapse: collapse; font-size: 14px; }
th { padding: 6px 12px 6px 0; color: var(--faint); font-weight: 500; font-size: 13px; text-align: left; }
td { padding: 6px 12px 6px 0; border-top: 1px solid var(--line); vertical-align: top; overflow-wrap: anywhere; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
td.meter { width: 22%; min-width: 110px; vertical-align: middle; }
td.meter i { display: block; height: 8px; border-radius: 2px; }
code { font: 13px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
footer { color: var(--faint); font-size: 13px; }
@media print { body { padding: 0; } .card, .tile { break-inside: avoid; } }
"""


def page(summary: Summary) -> str:
    """Return the report as HTML."""
    name = text(summary.root)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Code report: {name}</title>
<style>{STYLE}</style>
</head>
<body>
<main>
<h1>{name}</h1>
{_lead(summary)}
{_tiles(summary)}
<div class="pair">
{_card("How complex the functions are", _keys(), distribution(summary.bars))}
{_card("Size and complexity of files", _dots_note(summary), scatter(summary.dots))}
</div>
{_card("Largest packages", _packages_note(summary), packages(summary.packages))}
{_card("Most complex functions", _complexity_note(), _most_complex(summary))}
{_card("Files that did not parse", "", _broken(summary)) if summary.broken else ""}
<footer>Complexity is McCabe's: one, and one more for each branch, loop, handler, condition and case.</footer>
</main>
</body>
</html>
"""


def _lead(summary: Summary) -> str:
    if not summary.functions:
        return '<p class="lead">There is no function in these files.</p>'
    share = summary.complex_functions / summary.functions
    worst = summary.most_complex[0]
    longest = ""
    if summary.longest is not None:
        longest = (
            f" The longest is <b>{text(summary.longest.function.name)}</b>"
            f" with {number(summary.longest.function.lines)} lines."
        )
    return (
        f'<p class="lead"><b>{number(summary.complex_functions)} of {number(summary.functions)} functions'
        f" ({share:.1%})</b> have a complexity above {COMPLEX}. The most complex is"
        f" <b>{text(worst.function.name)}</b> with {number(worst.function.complexity)}.{longest}</p>"
    )


def _tiles(summary: Summary) -> str:
    comments = summary.comments / summary.lines if summary.lines else 0
    tiles = [
        ("files", number(summary.files)),
        ("lines", number(summary.lines)),
        ("lines of code", number(summary.code)),
        ("comment lines", f"{comments:.1%}"),
        ("functions", number(summary.functions)),
        ("classes", number(summary.classes)),
        ("median complexity", number(summary.median_complexity)),
    ]
    inner = "\n".join(f'<div class="tile"><span>{label}</span><strong>{value}</strong></div>' for label, value in tiles)
    return f'<div class="tiles">\n{inner}\n</div>'


def _card(title: str, note: str, inner: str) -> str:
    return f'<section class="card">\n<h2>{title}</h2>\n<p class="note">{note}</p>\n{inner}\n</section>'


def _keys() -> str:
    kinds = (("calm", "up to 10"), ("warm", "11 to 20"), ("hot", "above 20"))
    return "Functions by complexity" + "".join(f'<span class="key {kind}"></span>{told}' for kind, told in kinds)


def _dots_note(summary: Summary) -> str:
    if len(summary.dots) > MOST_DOTS:
        return f"The {number(MOST_DOTS)} most complex of {number(len(summary.dots))} files; point at one for its name"
    return "Each dot is a file, both axes logarithmic; point at one for its name"


def _packages_note(summary: Summary) -> str:
    rest = summary.packages[MOST_PACKAGES:]
    more = f"; {len(rest)} more with {number(sum(one.lines for one in rest))} lines" if rest else ""
    keys = '<span class="key calm"></span>code<span class="key pale"></span>comments and blank lines'
    return f"Lines by folder{more}{keys}"


def _complexity_note() -> str:
    return "Candidates for splitting, and for the next test"


def _most_complex(summary: Summary) -> str:
    most = summary.most_complex[0].function.complexity if summary.most_complex else 1
    rows = "\n".join(_row(one, most) for one in summary.most_complex)
    return (
        '<table>\n<thead><tr><th>function</th><th>file</th><th class="n">lines</th><th class="n">complexity</th>'
        f"<th></th></tr></thead>\n<tbody>\n{rows}\n</tbody>\n</table>"
    )


def _row(found: Found, most: int) -> str:
    one = found.function
    return (
        f"<tr><td><code>{text(one.name)}</code></td><td>{text(found.path)}:{one.line}</td>"
        f'<td class="n">{number(one.lines)}</td><td class="n">{number(one.complexity)}</td>'
        f'<td class="meter"><i class="{level(one.complexity)}" style="width:{100 * one.complexity / most:.1f}%"></i>'
        "</td></tr>"
    )


def _broken(summary: Summary) -> str:
    rows = "\n".join(f"<tr><td>{text(path)}</td><td>{text(error)}</td></tr>" for path, error in summary.broken)
    return f"<table>\n<thead><tr><th>file</th><th>reason</th></tr></thead>\n<tbody>\n{rows}\n</tbody>\n</table>"
