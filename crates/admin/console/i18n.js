// The two languages of the console. What Madang itself writes (explanations, events, problems) stays as it is.

import en from "./i18n/en.js";
import ko from "./i18n/ko.js";
import { prefer, preference } from "./preferences.js";

const dictionaries = { en, ko };
const fromBrowser = () => (navigator.language?.toLowerCase().startsWith("ko") ? "ko" : "en");

let current = dictionaries[preference("language")] ? preference("language") : fromBrowser();

export const language = () => current;

export function switchLanguage() {
  current = current === "en" ? "ko" : "en";
  prefer("language", current);
  applyLanguage();
}

export function applyLanguage() {
  document.documentElement.lang = current;
}

/** The text of `key`, with `{name}` replaced by `values.name`. */
export function t(key, values = {}) {
  const text = dictionaries[current][key] ?? en[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}

/** A word of the API, such as a state, in the person's language; as it is when we do not know it. */
export function word(family, value) {
  const key = `${family}.${value}`;
  return en[key] === undefined ? String(value) : t(key);
}
