"""The style and the script of a report's page: in the page itself, so that it loads nothing."""

from __future__ import annotations

from typing import Final

from memtwin.render import canvas

STYLE: Final = (
    """
:root { color-scheme: light dark; --ink: #1c1f23; --paper: #fff; --soft: #4f5963; --line: #c8ced5; --mark: #1d6fb8;
  --panel: #f3f5f7; }
@media screen and (prefers-color-scheme: dark) { :root { --ink: #e6e9ec; --paper: #16191d; --soft: #a9b3bd;
  --line: #4a535c; --mark: #7ab8f5; --panel: #20252a; } }
* { box-sizing: border-box; }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 62rem;
  margin: 1.5rem auto 6rem; padding: 0 1rem; overflow-wrap: anywhere; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.15rem; margin: 2.2rem 0 .4rem; border-top: 1px solid var(--line); padding-top: 1rem; }
h3 { font-size: 1rem; margin: 1.4rem 0 .3rem; } .answer { font-size: 1.08rem; } .answer li:first-child, .lead { font-weight: 600; } .lead { font-size: 1.15rem; }
.note { color: var(--soft); margin: .3rem 0; } figure { margin: 0; } svg.pic { width: 100%; height: auto; display: block; }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .85rem; }
caption { text-align: left; color: var(--soft); padding: .3rem 0; } th { text-align: left; font-weight: 600; white-space: nowrap; }
td, th { padding: .15rem .7rem .15rem 0; border-bottom: 1px solid var(--line); vertical-align: bottom; }
td.n, th.n { text-align: right; } td.n { white-space: nowrap; overflow-wrap: normal; } details { margin: .4rem 0; } summary { cursor: pointer; color: var(--mark); }
input[type=range] { width: 100%; accent-color: var(--mark); } output { display: block; min-height: 3em; color: var(--soft); }
.controls { position: sticky; top: 0; background: var(--panel); border: 1px solid var(--line); border-radius: 6px;
  padding: .5rem .8rem; z-index: 1; } .controls output { min-height: 0; color: var(--ink); font-weight: 600; }
fieldset { border: 0; padding: 0; margin: .4rem 0 0; } fieldset label { margin-right: 1.2rem; }
:focus-visible { outline: 3px solid var(--mark); outline-offset: 2px; } [hidden] { display: none !important; }
.two { display: grid; grid-template-columns: 1fr; gap: 1rem; }
@media print { .controls, output, .cursor { display: none; } body { max-width: none; font-size: 11pt; margin: 0; }
  table { font-size: 6pt; } td, th { padding-right: .3rem; white-space: normal; overflow-wrap: normal; }
  figure, h2, h3 { break-inside: avoid; break-after: auto; } h2, h3 { break-after: avoid; }
  details::details-content { content-visibility: visible; block-size: auto; } }
"""
    + canvas.STYLE
)

SCRIPT: Final = """
"use strict";
const report = JSON.parse(document.getElementById("report").textContent);
for (const [name, steps] of Object.entries(report.lines)) {
  const range = document.getElementById("range-" + name);
  const said = document.getElementById("said-" + name);
  const cursor = document.getElementById("cursor-" + name);
  const show = () => {
    const at = Number(range.value);
    cursor.setAttribute("transform", "translate(" + steps.x[at] + " 0)");
    said.textContent = steps.said[at];
    range.setAttribute("aria-valuetext", steps.said[at]);
  };
  const picture = cursor.ownerSVGElement;
  picture.addEventListener("pointermove", (event) => {
    const box = picture.getBoundingClientRect();
    const x = (event.clientX - box.left) / box.width * report.width - steps.left;
    let low = 0, high = steps.x.length - 1;
    while (low < high) { const middle = (low + high + 1) >> 1; if (steps.x[middle] <= x) low = middle; else high = middle - 1; }
    range.value = String(low);
    show();
  });
  range.addEventListener("input", show);
  show();
}
const chooser = document.getElementById("moment");
if (chooser) {
  const label = document.getElementById("moment-said");
  const pick = () => {
    const at = Number(chooser.value);
    for (const section of document.querySelectorAll("[data-moment]")) section.hidden = section.dataset.moment !== chooser.value;
    label.textContent = report.moments[at];
    chooser.setAttribute("aria-valuetext", report.moments[at]);
  };
  chooser.addEventListener("input", pick);
  pick();
}
const maps = document.querySelectorAll("input[name=map]");
const choose = () => {
  for (const one of maps) if (one.checked)
    for (const figure of document.querySelectorAll("[data-map]")) figure.hidden = figure.dataset.map !== one.value;
};
for (const one of maps) one.addEventListener("change", choose);
choose();
addEventListener("beforeprint", () => { for (const one of document.querySelectorAll("details")) one.open = true; });
"""
