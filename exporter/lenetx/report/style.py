"""Define the CSS of the HTML report, for light and dark mode, print and narrow screens."""

__all__ = ["CSS"]

CSS = """
:root { color-scheme: light dark; --paper: #fff; --ink: #1c1e21; --soft: #5c636b; --faint: #b8bec6; --band: #f2f4f6;
  --used: #2f6fb5; --over: #c62828; --good: #1b6e2d; --unseen: #8a5a00; }
@media screen and (prefers-color-scheme: dark) { :root { --paper: #15181c; --ink: #e4e7ea; --soft: #a0a8b1;
  --faint: #545c66; --band: #1f242a; --used: #6aa9ec; --over: #ff7b72; --good: #6fcf83; --unseen: #e0b252; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem; max-width: 64rem; background: var(--paper); color: var(--ink);
  font: 15px/1.45 system-ui, sans-serif; }
h1 { font-size: 1.5rem; margin: 0 0 .5rem; line-height: 1.25; }
h2 { font-size: 1.25rem; margin: 2.5rem 0 .25rem; }
h3 { font-size: 1.05rem; margin: 1.75rem 0 .25rem; }
h4 { font-size: .95rem; margin: 1rem 0 .25rem; }
h1, h2, h3, h4, td, th, summary, p { overflow-wrap: anywhere; }
p { margin: .25rem 0; }
a { color: var(--used); }
.soft { color: var(--soft); }
.passed { color: var(--good); }
.failed { color: var(--over); }
.not_run { color: var(--unseen); }
.not_applicable { color: var(--soft); }
.failed, .passed, .not_run { font-weight: 600; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; margin: .5rem 0; }
td, th { text-align: left; vertical-align: top; padding: .25rem .9rem .25rem 0; font-weight: normal; }
thead th, .listing th { color: var(--soft); }
thead th { border-bottom: 1px solid var(--faint); white-space: nowrap; }
.checks { width: 100%; min-width: 46rem; }
.checks .number { text-align: right; white-space: nowrap; }
.checks .status { white-space: nowrap; }
.checks tbody th { padding-left: 1rem; min-width: 12rem; }
.checks .group > * { background: var(--band); border-top: 1px solid var(--faint); }
.checks .group th { padding-left: .4rem; font-weight: 600; }
.checks td:last-child { width: 45%; }
summary { cursor: pointer; }
details p { color: var(--soft); }
svg { display: block; width: 100%; max-width: 46rem; height: auto; color: var(--ink); font-family: inherit; }
.images { display: flex; flex-wrap: wrap; gap: 1rem; }
figure { margin: 0; width: 10rem; }
figcaption span { display: block; font-size: .8rem; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
.pixels { width: 8rem; height: 8rem; object-fit: contain; image-rendering: pixelated; background: #808080; }
.meter { width: 100%; max-width: 30rem; height: .6rem; background: var(--faint); border-radius: .3rem; }
.meter div { height: 100%; background: var(--used); border-radius: inherit; }
@media (max-width: 48rem) {
  body { padding: .75rem; }
  .checks { min-width: 0; }
  .checks .logits { display: none; }
  .checks tbody th { min-width: 8rem; padding-left: .5rem; hyphens: auto; }
  td, th { padding-right: .5rem; }
}
@media print {
  body { max-width: none; padding: 0; font-size: 10pt; }
  a { color: inherit; text-decoration: none; }
  h2, h3, h4, .soft { break-after: avoid; }
  .checks { min-width: 0; }
  tr, figure, svg { break-inside: avoid; }
  details::details-content { content-visibility: visible; display: block; block-size: auto; }
  .checks .group > *, .meter, .meter div, .pixels { print-color-adjust: exact; }
}
"""
