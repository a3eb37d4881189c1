"use strict";
const label = document.getElementById("label");
async function refresh() {
  try {
    const state = await (await fetch("state.json")).json();
    const text = state.label ? `I see ${state.label}` : "I see nothing I know";
    if (label.textContent !== text) label.textContent = text;
  } catch {
    label.textContent = "The preview has ended, or cannot be reached.";
  }
}
setInterval(refresh, 1000);
refresh();
