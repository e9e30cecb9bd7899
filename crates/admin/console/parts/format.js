// Numbers and times for people. Tabular: a value keeps its width while it changes.

import { language, t } from "../i18n.js";

const locale = () => (language() === "ko" ? "ko-KR" : "en-US");

export function number(value) {
  return new Intl.NumberFormat(locale(), { maximumFractionDigits: 0 }).format(value);
}

/** Per second: `0.3`, `12.4`, `128`, `12.8k`. */
export function rate(value) {
  if (value === 0) return "0";
  if (value < 0.05) return "<0.1";
  if (value < 100) return value.toFixed(1);
  if (value < 10_000) return value.toFixed(0);
  return `${(value / 1000).toFixed(1)}k`;
}

/** A duration given in milliseconds. */
export function duration(ms) {
  if (ms === null || ms === undefined || Number.isNaN(ms)) return "–";
  if (ms < 1) return `${ms.toFixed(2)} ms`;
  if (ms < 10) return `${ms.toFixed(1)} ms`;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 10_000) return `${(ms / 1000).toFixed(2)} s`;
  return span(ms / 1000);
}

/** A time span given in seconds: `42 s`, `3 m 05 s`, `2 h 10 m`, `4 d 3 h`. */
export function span(seconds) {
  const s = Math.max(0, Math.floor(seconds));
  const two = (n) => String(n).padStart(2, "0");
  const unit = { s: t("unit.s"), m: t("unit.m"), h: t("unit.h"), d: t("unit.d") };
  if (s < 60) return `${s}${unit.s}`;
  if (s < 3600) return `${Math.floor(s / 60)}${unit.m} ${two(s % 60)}${unit.s}`;
  if (s < 86_400) return `${Math.floor(s / 3600)}${unit.h} ${two(Math.floor(s / 60) % 60)}${unit.m}`;
  return `${Math.floor(s / 86_400)}${unit.d} ${Math.floor(s / 3600) % 24}${unit.h}`;
}

/** How long ago a moment was, both in Unix milliseconds. */
export function ago(then, now) {
  const seconds = (now - then) / 1000;
  if (seconds < 2) return t("time.now");
  const rough = seconds < 60 ? seconds : seconds < 3600 ? Math.floor(seconds / 60) * 60 : Math.floor(seconds / 3600) * 3600;
  const short = rough < 3600 && rough >= 60 ? `${Math.floor(rough / 60)}${t("unit.m")}` : rough < 86_400 && rough >= 3600
    ? `${Math.floor(rough / 3600)}${t("unit.h")}` : span(rough);
  return t("time.ago", { span: short });
}

export function clock(ms) {
  const at = new Date(ms);
  const two = (n) => String(n).padStart(2, "0");
  return `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
}

export function exactClock(ms) {
  return `${clock(ms)}.${String(new Date(ms).getMilliseconds()).padStart(3, "0")}`;
}

export function bytes(value) {
  if (value === null || value === undefined) return "–";
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let at = 0;
  let rest = value;
  while (rest >= 1024 && at < units.length - 1) {
    rest /= 1024;
    at += 1;
  }
  return `${at === 0 || rest >= 100 ? Math.round(rest) : rest.toFixed(1)} ${units[at]}`;
}

export function percent(share) {
  if (share === null || share === undefined || Number.isNaN(share)) return "–";
  if (share === 0) return "0 %";
  if (share < 0.001) return "<0.1 %";
  return `${(share * 100).toFixed(share >= 0.1 ? 0 : 1)} %`;
}
