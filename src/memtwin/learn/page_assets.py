"""The style and the script of the pages: small enough to be read, and in the page itself, so that it loads nothing."""

from __future__ import annotations

from typing import Final

STYLE: Final = """
:root { color-scheme: light dark; --ink: #1c1f23; --paper: #fff; --soft: #5b6570; --line: #c8ced5; --you: #b35900;
  --linux: #1d6fb8; --panel: #f3f5f7; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ec; --paper: #16191d; --soft: #9aa4af; --line: #4a535c;
  --you: #f2b872; --linux: #7ab8f5; --panel: #20252a; } }
* { box-sizing: border-box; }
body { font: 17px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 54rem;
  margin: 1.5rem auto 6rem; padding: 0 1rem; overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2rem; } .hook { font-size: 1.15rem; font-weight: 600; }
a { color: var(--linux); } .note, .soft { color: var(--soft); } nav { display: flex; gap: 1.5rem; flex-wrap: wrap; }
pre { background: var(--panel); padding: .8rem 1rem; overflow-x: auto; font: 14px/1.45 ui-monospace, monospace; }
table { border-collapse: collapse; width: 100%; } th { text-align: left; color: var(--soft); font-weight: normal; }
td, th { padding: .3rem .8rem .3rem 0; border-bottom: 1px solid var(--line); } td.n { text-align: right; }
form, fieldset { border: 1px solid var(--line); border-radius: 6px; padding: 1rem; margin: 1rem 0; background: var(--panel); }
label { display: block; padding: .15rem 0; } input[type=range] { width: 100%; accent-color: var(--you); }
output { font-weight: 600; font-size: 1.2rem; } .ends { display: flex; justify-content: space-between; }
button { font: inherit; padding: .35rem 1.1rem; margin: .6rem .6rem 0 0; cursor: pointer; }
:focus-visible { outline: 3px solid var(--linux); outline-offset: 2px; }
svg { width: 100%; height: auto; display: block; margin: 1rem 0; } svg text { fill: var(--ink); font: 13px system-ui, sans-serif; }
svg .s { stroke: var(--soft); stroke-width: .6; } svg .axis { stroke: var(--ink); stroke-width: 1.5; }
svg .you, svg .you text { stroke: none; fill: var(--you); } svg .you line { stroke: var(--you); stroke-width: 2; }
svg .linux, svg .linux text { fill: var(--linux); } svg .linux line { stroke: var(--linux); stroke-width: 2; }
svg .usual, svg .usual text { fill: var(--soft); } svg .usual line { stroke: var(--soft); stroke-dasharray: 4 3; }
.result:focus { outline: none; } [hidden] { display: none !important; } li.linux { color: var(--linux); font-weight: 600; }
figure { margin: 2rem 0; } figure img { width: 100%; background: var(--paper); } figcaption { color: var(--soft); }
"""

SCRIPT: Final = """
"use strict";
const lesson = JSON.parse(document.getElementById("lesson").textContent);
const place = (form) => lesson.cases[Number(form.dataset.case)];
function moved(form) {
  const range = form.querySelector("input[type=range]");
  const step = place(form).steps[Number(range.value)];
  form.querySelector("output").textContent = step.text;
  range.setAttribute("aria-valuetext", step.text);
}
function reveal(form, isGuess) {
  const result = document.getElementById("result-" + form.dataset.case);
  const you = result.querySelector(".you");
  const word = result.querySelector(".word");
  const range = form.querySelector("input[type=range]");
  word.textContent = "";
  if (range && you) {
    const step = place(form).steps[Number(range.value)];
    you.style.display = isGuess ? "" : "none";
    you.setAttribute("transform", "translate(" + step.x + " 0)");
    const text = you.querySelector("text");
    text.textContent = "you: " + step.text;
    text.setAttribute("text-anchor", step.x > lesson.middle ? "end" : "start");
    text.setAttribute("x", step.x > lesson.middle ? "-10" : "10");
    if (isGuess) word.textContent = step.word;
  }
  if (!range) {
    const chosen = form.querySelector("input:checked");
    if (isGuess && !chosen) { form.querySelector("input").focus(); return; }
    for (const item of result.querySelectorAll("li")) {
      const mine = isGuess && item.dataset.option === chosen.value;
      item.querySelector(".mine").textContent = mine ? " \\u2190 you" : "";
    }
    if (isGuess && chosen.value === String(place(form).result)) word.textContent = lesson.right;
  }
  result.hidden = false;
  const after = document.getElementById("after-" + form.dataset.case);
  if (after) after.hidden = false;
  result.focus();
}
for (const form of document.querySelectorAll("form[data-case]")) {
  const range = form.querySelector("input[type=range]");
  if (range) { range.addEventListener("input", () => moved(form)); moved(form); }
  form.addEventListener("submit", (event) => { event.preventDefault(); reveal(form, true); });
  form.querySelector("button.show").addEventListener("click", () => reveal(form, false));
}
for (const choice of document.querySelectorAll("input[name=turn]")) {
  choice.addEventListener("change", () => {
    for (const one of document.querySelectorAll(".turn")) one.hidden = one.id !== "turn-" + choice.value;
  });
}
"""
