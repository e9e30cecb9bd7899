// Asking the admin API. Every failure is a `Problem` with what happened and what to do.

import { token } from "./preferences.js";

/** How long an answer may take, in milliseconds. */
const PATIENCE = 15_000;

/** What went wrong: `status` 0 means that nobody answered. */
export class Problem extends Error {
  constructor({ status, title, detail, hint, code }) {
    super(detail || title);
    Object.assign(this, { status, title, detail, hint, code });
  }

  static async of(response) {
    const body = await response.json().catch(() => ({}));
    const text = (value) => (typeof value === "string" ? value : undefined);
    return new Problem({
      status: response.status,
      title: text(body.title) ?? `${response.status} ${response.statusText}`,
      detail: text(body.detail),
      hint: text(body.hint),
      code: text(body.code),
    });
  }
}

let refused = () => {};

/** `handler` is called when the API wants a token. */
export function onRefused(handler) {
  refused = handler;
}

/** The answer as it is; a `Problem` when it is no success. */
export async function open(path, options = {}) {
  const headers = { ...options.headers };
  if (token()) headers.authorization = `Bearer ${token()}`;
  let response;
  try {
    response = await fetch(path, { ...options, headers, cache: "no-store" });
  } catch (error) {
    if (options.signal?.aborted && options.signal.reason?.name !== "TimeoutError") throw error;
    throw new Problem({ status: 0, title: "no answer", detail: `${path}: ${error.message}` });
  }
  if (response.ok) return response;
  const problem = await Problem.of(response);
  if (problem.status === 401) refused();
  throw problem;
}

async function ask(path, options) {
  const response = await open(path, { ...options, signal: AbortSignal.timeout(PATIENCE) });
  return response.status === 204 ? null : response.json();
}

export const get = (path) => ask(path);

export function send(method, path, body) {
  if (body === undefined) return ask(path, { method });
  return ask(path, { method, body: JSON.stringify(body), headers: { "content-type": "application/json" } });
}

const part = encodeURIComponent;

/** Paths in one place. */
export const paths = {
  status: "/v1/status",
  services: "/v1/registry/services",
  service: (service) => `/v1/registry/services/${part(service)}`,
  instance: (service, id) => `/v1/registry/services/${part(service)}/instances/${part(id)}`,
  explain: (service, id) => `${paths.instance(service, id)}/explain`,
  override: (service, id) => `${paths.instance(service, id)}/override`,
  processes: "/v1/supervise/instances",
  fleets: "/v1/supervise/services",
  scale: (service) => `/v1/supervise/services/${part(service)}/scale`,
  logs: (asked) => `/v1/supervise/logs?${new URLSearchParams(asked)}`,
  routes: "/v1/gateway/routes",
  explainRoute: (asked) => `/v1/gateway/routes/explain?${new URLSearchParams(asked)}`,
  requests: "/v1/gateway/requests?limit=100",
  request: (id) => `/v1/gateway/requests/${part(id)}`,
  traffic: "/v1/gateway/traffic",
  events: "/v1/events",
};
