"""The look of the report: on screens of any width in both themes, and on paper."""

STYLE = """
:root { color-scheme: light dark; --text: #1f2a33; --muted: #56626b; --paper: #ffffff; --panel: #f2f5f7;
  --line: #d3dbe1; --accent: #1f6f8b; --good: #00664b; --caution: #8a4b00; --bad: #a3262a; --unknown: #56626b; }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem 1.25rem 4rem; max-width: 60rem; background: var(--paper); color: var(--text);
  font: 1.0625rem/1.55 "Source Sans 3", "Source Sans Pro", "Helvetica Neue", Arial, sans-serif; }
h1 { font-size: 2.1rem; line-height: 1.2; margin: 0 0 .25rem; text-wrap: balance; }
h2 { font-size: 1.4rem; margin: 2.5rem 0 .5rem; } h3 { font-size: 1.1rem; margin: 1.5rem 0 .25rem; }
p, ul, ol, dl { margin: .5rem 0; } li { margin: .3rem 0; overflow-wrap: anywhere; } a { color: var(--accent); }
.lead { font-size: 1.4rem; line-height: 1.4; font-weight: 600; margin: 1rem 0; }
.muted, figcaption { color: var(--muted); font-size: .95rem; }
.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(11rem, 1fr)); gap: .75rem; margin: 1.25rem 0; }
.facts div { background: var(--panel); border-radius: .5rem; padding: .75rem 1rem; break-inside: avoid; }
.facts dd { margin: 0; font-size: 1.9rem; font-weight: 650; } .facts dt { color: var(--muted); font-size: .95rem; }
.facts div { display: flex; flex-direction: column-reverse; justify-content: flex-end; }
.verdicts { list-style: none; padding: 0; }
.verdicts li { border-left: .3rem solid var(--unknown); padding: .1rem 0 .1rem .8rem; margin: .75rem 0; }
.verdicts b { display: block; } .good { border-color: var(--good) !important; }
.caution { border-color: var(--caution) !important; } .bad { border-color: var(--bad) !important; }
.good b { color: var(--good); } .caution b { color: var(--caution); } .bad b { color: var(--bad); }
.unknown b { color: var(--unknown); }
figure { margin: 1.25rem 0 2rem; break-inside: avoid; } figure h3 { margin-top: 0; }
.plot { overflow: hidden; }
.scroll { overflow-x: auto; } .scroll:focus-visible, summary:focus-visible { outline: 2px solid var(--accent); }
table { border-collapse: collapse; font-size: .92rem; width: 100%; }
th, td { padding: .3rem .6rem; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top;
  overflow-wrap: anywhere; min-width: 4.5rem; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
td.number { white-space: nowrap; } th { min-width: 3rem; } td:first-child { min-width: 7rem; }
.matrix td, .matrix th { min-width: 0; white-space: nowrap; padding: .1rem .35rem; font-size: .75rem; }
pre { background: var(--panel); border-radius: .5rem; padding: .75rem 1rem; white-space: pre-wrap;
  overflow-wrap: anywhere; font-size: .9rem; }
summary { cursor: pointer; } details { margin: .75rem 0; }
@media screen and (prefers-color-scheme: dark) {
  :root { --text: #e6ebee; --muted: #a3afb7; --paper: #11161a; --panel: #1b2227; --line: #36424a; --accent: #7cc4df;
    --good: #4fc9a0; --caution: #e9a94b; --bad: #f08a86; --unknown: #a3afb7; } }
@page { size: A4; margin: 15mm 15mm 18mm; @bottom-right { content: counter(page) " / " counter(pages);
  font: 9pt Arial, sans-serif; color: #56626b; } }
@media print {
  :root { color-scheme: light; }
  body { padding: 0; max-width: none; font-size: 10.5pt; } h1 { font-size: 22pt; } .lead { font-size: 14pt; }
  h2, h3, summary { break-after: avoid; } li, tr, .facts, .verdicts li { break-inside: avoid; }
  .facts { grid-template-columns: repeat(4, 1fr); } .facts dd { font-size: 18pt; }
  table { font-size: 8.5pt; }
  th, td { padding: .2rem .35rem; min-width: 0; } thead { display: table-header-group; } .scroll { overflow: visible; }
  .modebar-container { display: none !important; } .screen { display: none; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; } }
"""
