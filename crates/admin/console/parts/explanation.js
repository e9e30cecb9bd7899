// Why an instance is as it is: the reasons, each registrar's record, and what the clients of each face see.

import { h } from "../html.js";
import { t, word } from "../i18n.js";
import { ago, clock, span } from "./format.js";
import { badge } from "./marks.js";
import { problemBox } from "./states.js";
import { strip } from "./strip.js";

export function explanation({ body, problem }, { now, pieces, process, again, action }) {
  if (problem) return problemBox(problem, again);
  if (!body) return h("p", { class: "quiet waiting", role: "status" }, t("state.loading"));
  const { explanation: why, instance } = body;
  return [
    h("div", { key: "state", class: "explain-state" }, badge(why.status), action),
    h("section", { key: "because" }, h("h3", null, t("explain.because")),
      h("ul", { class: "reasons" }, why.because.map((reason, at) => h("li", { key: at }, reason)))),
    why.overridden ? h("p", { key: "override", class: "remark is-mind" }, t("explain.overridden", {
      who: why.overridden.by, state: word("state", why.overridden.status), when: ago(why.overridden.at_ms, now),
    })) : null,
    process?.reason ? h("section", { key: "process" }, h("h3", null, t("explain.process")), h("pre", { class: "example" }, h("code", null, process.reason))) : null,
    h("section", { key: "strip" }, h("h3", null, t("explain.seen")), strip(pieces, instance.id),
      h("div", { class: "strip-scale quiet" }, h("span", null, t("explain.seen.from")), h("span", null, t("time.now")))),
    h("section", { key: "faces" }, h("h3", null, t("explain.faces")),
      why.faces.length === 0 ? h("p", { class: "quiet" }, t("explain.faces.none"))
        : h("dl", { class: "facts" }, why.faces.flatMap((face) => [
          h("dt", { key: `${face.face} name` }, word("face", face.face)),
          h("dd", { key: face.face }, h("code", null, face.status), " ", face.shown),
        ]))),
    h("section", { key: "records" }, h("h3", null, t("explain.records")), why.records.map((record) => recordView(record, now))),
    h("section", { key: "metadata" }, h("h3", null, t("explain.metadata")), metadata(instance.metadata)),
  ];
}

function recordView(record, now) {
  const fact = (name, ...value) => [h("dt", { key: `${name} name` }, t(`explain.record.${name}`)), h("dd", { key: name }, value)];
  return h("div", { key: `${record.face} ${record.id}`, class: "record" },
    h("h4", null, word("face", record.face), record.restored ? h("span", { class: "tag is-mind" }, t("explain.restored")) : null),
    h("dl", { class: "facts" },
      fact("id", h("code", null, record.id)),
      fact("says", word("state", record.says)),
      fact("address", h("code", null, record.address)),
      fact("lease", leaseText(record.lease)),
      record.lease.state === "supervisor" ? null : fact("renewed", ago(record.renewed_ms, now)),
      record.check ? fact("check", checkView(record.check, now)) : null));
}

function leaseText(lease) {
  switch (lease.state) {
    case "supervisor": return t("services.lease.process");
    case "runs": return t("services.lease.left", { left: span(lease.left_s), whole: span(lease.duration_s) });
    case "expired": return `${t("services.lease.over", { since: span(lease.since_s) })}${lease.held ? ` — ${t("explain.held")}` : ""}`;
    default: return String(lease.state);
  }
}

function checkView(check, now) {
  const what = t("explain.check", { asks: check.asks, interval: span(check.interval_s) });
  if (check.last === null) return [what, h("p", { class: "quiet" }, t("explain.check.none"))];
  return [what, h("p", { class: check.failing ? "bad" : "good" },
    `${check.last} · ${clock(check.at_ms)} (${ago(check.at_ms, now)})${check.failures > 0 ? ` · ${t("explain.check.failures", { count: check.failures })}` : ""}`)];
}

function metadata(pairs) {
  const keys = Object.keys(pairs);
  if (keys.length === 0) return h("p", { class: "quiet" }, t("explain.metadata.none"));
  return h("dl", { class: "facts is-code" }, keys.flatMap((key) => [h("dt", { key: `${key} name` }, key), h("dd", { key }, pairs[key])]));
}
