// What a person chose, remembered by the browser: language, look, and the name their changes are signed with.
// The token is kept for the tab alone.

const NAME = "madang.console";
const TOKEN = "madang.token";

const read = () => {
  try {
    return JSON.parse(localStorage.getItem(NAME)) ?? {};
  } catch {
    return {}; // storage is off, or holds something else
  }
};

const chosen = read();

/** One preference, or `otherwise`. */
export function preference(name, otherwise) {
  return chosen[name] ?? otherwise;
}

export function prefer(name, value) {
  chosen[name] = value;
  try {
    localStorage.setItem(NAME, JSON.stringify(chosen));
  } catch {
    // It holds until the page is left.
  }
}

/** Who changes are signed by. */
export const author = () => preference("author", "") || "console";

let held = null;

export function token() {
  try {
    return held ?? sessionStorage.getItem(TOKEN);
  } catch {
    return held;
  }
}

export function setToken(value) {
  held = value;
  try {
    sessionStorage.setItem(TOKEN, value);
  } catch {
    // It holds until the page is left.
  }
}

const THEMES = ["auto", "light", "dark"];

export const theme = () => (THEMES.includes(chosen.theme) ? chosen.theme : "auto");

export function nextTheme() {
  prefer("theme", THEMES[(THEMES.indexOf(theme()) + 1) % THEMES.length]);
  applyTheme();
}

export function applyTheme() {
  const root = document.documentElement;
  if (theme() === "auto") delete root.dataset.theme;
  else root.dataset.theme = theme();
}
