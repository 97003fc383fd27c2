// What every page may use: copy buttons, the theme switch, the "/" key, menus that close.
// Everything works without this file, too.
"use strict";

const announce = (text) => {
  document.getElementById("announcement").textContent = text;
};

const copyText = async (text) => {
  if (navigator.clipboard && window.isSecureContext) return navigator.clipboard.writeText(text);
  // On plain http:// browsers have no clipboard API: copy a selection instead.
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "visually-hidden";
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  if (!done) throw new Error("the browser refused to copy");
};

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const code = button.closest(".command").querySelector("code");
  try {
    await copyText(code.textContent);
  } catch {
    getSelection().selectAllChildren(code); // at least one key press away
    return;
  }
  button.focus();
  button.classList.add("is-done");
  announce(button.dataset.copied);
  setTimeout(() => button.classList.remove("is-done"), 2000);
});

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-theme-choice]");
  if (!button) return;
  const choice = button.dataset.themeChoice;
  const root = document.documentElement;
  if (choice === "system") delete root.dataset.theme;
  else root.dataset.theme = choice;
  // The server reads it, so that the next page comes in the right colours at once.
  const age = choice === "system" ? 0 : 365 * 24 * 3600;
  const secure = location.protocol === "https:" ? "; secure" : "";
  document.cookie = `gantry_theme=${choice}; path=/; max-age=${age}; samesite=lax${secure}`;
  for (const other of document.querySelectorAll("[data-theme-choice]")) {
    other.setAttribute("aria-pressed", String(other === button));
  }
});

document.addEventListener("keydown", (event) => {
  const isTyping = event.target.closest("input, textarea, select, [contenteditable]");
  const hasModifier = event.ctrlKey || event.metaKey || event.altKey;
  if (event.key === "/" && !isTyping && !hasModifier) {
    const field = document.querySelector("[data-search]");
    if (!field) return;
    event.preventDefault();
    field.focus();
    field.select();
  }
  if (event.key === "Escape") {
    const menu = document.querySelector("details.menu[open]");
    if (!menu) return;
    menu.open = false;
    menu.querySelector("summary").focus();
  }
  // Up and down walk through results.
  if ((event.key === "ArrowDown" || event.key === "ArrowUp") && !hasModifier) {
    const links = [...document.querySelectorAll("[data-result]")];
    const at = links.indexOf(document.activeElement);
    const isInSearch = event.target.matches("[data-search]");
    if (!links.length || (at < 0 && !isInSearch)) return;
    const next = links[at + (event.key === "ArrowDown" ? 1 : -1)];
    event.preventDefault();
    if (next) next.focus();
    else if (event.key === "ArrowUp") document.querySelector("[data-search]")?.focus();
  }
});

document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});

// Choices that are a form of their own send it at once; without this file they have a button.
document.addEventListener("change", (event) => {
  if (event.target.matches("[data-submit]")) event.target.form.requestSubmit();
});
