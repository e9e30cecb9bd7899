// The console of a real Madang in a real browser. `npm test` here; MADANG names the program, CHROMIUM the browser.
// Pictures of all pages are left in `screenshots/`.

import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";

import { chromium } from "playwright-core";

import { fake } from "./fake.mjs";
import { start } from "./madang.mjs";

const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";
const FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];
const PICTURES = fileURLToPath(new URL("./screenshots/", import.meta.url));
const PAGES = ["overview", "services", "routes", "requests", "processes"];
const WIDE = { width: 1440, height: 900 };
const NARROW = { width: 390, height: 844 };
const TOKEN = "a-token-for-the-console-test";

/** Reached only when something is wrong. */
const LONG = 20_000;

let browser;
let shop;

before(async () => {
  mkdirSync(PICTURES, { recursive: true });
  browser = await chromium.launch({ executablePath: CHROMIUM, args: FLAGS });
  shop = await start({ options: ["--trickle"] });
});

after(async () => {
  await browser?.close();
  await shop?.stop();
});

/** A page that is watched: what it complains about is in `complaints`. */
async function open(url, { viewport = WIDE, locale = "en-US", colorScheme = "light", expected = () => false } = {}) {
  const context = await browser.newContext({ viewport, locale, colorScheme });
  const page = await context.newPage();
  page.setDefaultTimeout(LONG);
  const complaints = [];
  const note = (text) => {
    if (!expected(text)) complaints.push(text);
  };
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) note(message.text());
  });
  page.on("pageerror", (error) => note(String(error)));
  page.on("dialog", (dialog) => {
    note(`a dialog: ${dialog.message()}`);
    dialog.dismiss();
  });
  page.on("request", (request) => {
    if (new URL(request.url()).origin !== new URL(url).origin) note(`asked elsewhere: ${request.url()}`);
  });
  await page.goto(url);
  return {
    page,
    complaints,
    async close() {
      await context.close();
      assert.deepEqual(complaints, []);
    },
  };
}

/** Waits until `look` gives something true. */
async function eventually(what, look) {
  const end = Date.now() + LONG;
  let last;
  for (;;) {
    try {
      last = await look();
      if (last) return last;
    } catch (error) {
      last = error;
    }
    if (Date.now() > end) throw new Error(`${what}: ${last}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

const box = (page, service) => page.locator(`.picture a[href="#/services/${service}"]`);
const eurekaStatus = async (app, id) => {
  const { application } = await shop.get(`/eureka/apps/${app}`, "eureka");
  const all = [application.instance].flat();
  return all.find((one) => one.instanceId === id)?.status;
};

test("the overview shows every service with its instances, and the calls that really happen", async () => {
  const { page, close } = await open(shop.url("admin"));
  for (const service of ["catalog", "orders", "web"]) await box(page, service).filter({ hasText: "2/2" }).waitFor();
  assert.equal(await page.locator(".picture .mark.is-up").count(), 6);
  await page.waitForFunction(() => [...document.querySelectorAll(".picture .number")].length >= 5, null, { timeout: LONG });
  const label = await box(page, "orders").getAttribute("aria-label");
  assert.match(label, /^orders: 2 of 2 instances up, [\d.]+ requests per second, 0 failed per second$/);
  assert.match(await page.locator(".figure-value").first().textContent(), /^\d+\.\d\/s$/);
  assert.match(await page.locator(".brand-house").textContent(), /^madang-console-|^shop$/);
  await page.waitForFunction(() => document.title.startsWith("Overview · "));
  await close();
});

test("a killed instance is seen in the picture and in the events, and so is its return", async () => {
  const { page, close } = await open(shop.url("admin"));
  await box(page, "catalog").filter({ hasText: "2/2" }).waitFor();
  const [victim] = (await shop.get("/v1/supervise/instances")).filter((one) => one.instance === "catalog-1");
  const seen = page.waitForFunction(() => {
    const link = document.querySelector('.picture a[href="#/services/catalog"]');
    return link && link.querySelector(".box-count").textContent !== "2/2";
  }, null, { timeout: LONG, polling: "raf" });
  process.kill(victim.pid, "SIGKILL");
  await seen;
  await box(page, "catalog").filter({ hasText: "2/2" }).waitFor();
  await page.locator(".event", { hasText: "catalog-1" }).first().waitFor();
  await close();
});

test("an instance taken out on the page is out for Eureka clients, and back again with one click", async () => {
  const { page, close } = await open(`${shop.url("admin")}/#/services/orders`);
  await page.getByRole("button", { name: "Take out: orders-1" }).click();
  await page.locator(".notice", { hasText: "orders-1 is now: out of service" }).waitFor();
  assert.equal(await eurekaStatus("ORDERS", "orders-1"), "OUT_OF_SERVICE");
  await page.locator("tr", { hasText: "orders-1" }).locator(".badge.is-out_of_service").waitFor();
  await page.getByRole("link", { name: "orders-1" }).click();
  const drawer = page.getByRole("dialog", { name: "orders-1" });
  await drawer.getByText("console set the status to `out_of_service`").waitFor();
  await drawer.getByText("clients send no requests there because it is not UP").waitFor();
  await drawer.getByRole("button", { name: "Put back" }).click();
  await drawer.locator(".badge.is-up").waitFor();
  await eventually("it is up again", async () => await eurekaStatus("ORDERS", "orders-1") === "UP");
  await page.keyboard.press("Escape");
  await drawer.waitFor({ state: "detached" });
  assert.match(page.url(), /#\/services\/orders$/);
  await close();
});

test("what is typed stays while the page lives on under it", async () => {
  const { page, close } = await open(`${shop.url("admin")}/#/services`);
  const field = page.getByRole("searchbox", { name: "Service, instance or address" });
  await field.fill("cat");
  await page.locator(".choice", { hasText: "catalog" }).waitFor();
  assert.equal(await page.locator(".choice").count(), 1);
  await field.evaluate((element) => element.setSelectionRange(1, 2));
  // Three of these came with the second hand of the page and with traffic.
  await page.waitForTimeout(2500);
  const state = await field.evaluate((element) => [document.activeElement === element, element.value, element.selectionStart, element.selectionEnd]);
  assert.deepEqual(state, [true, "cat", 1, 2]);
  await close();
});

test("the explain form says for every route whether it takes a request, and why not", async () => {
  // The browser itself tells of the 400 at the end.
  const expected = (text) => text.includes("status of 400");
  const { page, close } = await open(`${shop.url("admin")}/#/routes`, { expected });
  await page.locator("tbody tr", { hasText: "/api/catalog/**" }).waitFor();
  assert.equal(await page.locator("tbody tr").count(), 4);
  await page.getByLabel("Method").selectOption("DELETE");
  await page.getByLabel("Path, with query").fill("/api/orders/7");
  await page.getByRole("button", { name: "Explain" }).click();
  await page.getByText("No route takes it").waitFor();
  await page.locator("tr", { hasText: "method is DELETE; the route takes GET or POST" }).waitFor();
  await page.getByLabel("Method").selectOption("POST");
  await page.getByRole("button", { name: "Explain" }).click();
  await page.getByText("Route “orders” takes it, to service://orders.").waitFor();
  assert.equal(await page.locator("tr.is-chosen").count(), 1);
  assert.match(await page.locator("tr.is-chosen").textContent(), /orders.*takes it/);
  // The address says what was asked, so it can be passed on.
  await page.reload();
  await page.locator("tr.is-chosen").waitFor();
  assert.equal(await page.getByLabel("Path, with query").inputValue(), "/api/orders/7");
  await page.getByLabel("Path, with query").fill("no slash");
  await page.getByRole("button", { name: "Explain" }).click();
  await page.getByRole("alert").filter({ hasText: "give the path as a client sends it" }).waitFor();
  await close();
});

test("a failed request appears by itself and tells its story", async () => {
  const { page, close } = await open(`${shop.url("admin")}/#/requests`);
  await page.locator("h1", { hasText: "Requests" }).waitFor();
  const answer = await fetch(`${shop.url("gateway")}/nowhere?secret=1`);
  assert.equal(answer.status, 404);
  const row = page.locator("tr", { hasText: "GET /nowhere" }).first();
  await row.waitFor();
  assert.match(await row.textContent(), /404.*failed.*no_route/);
  await row.getByRole("link").click();
  const story = page.getByRole("dialog", { name: /GET \/nowhere/ });
  await story.locator(".waterfall-bar").first().waitFor();
  await story.getByText("No instance was called.").waitFor();
  assert.ok(!(await story.textContent()).includes("secret=1"));
  await page.keyboard.press("Escape");
  await page.getByRole("button", { name: "slow" }).click();
  await row.waitFor({ state: "detached" });
  await close();
});

test("a service is scaled on the page, signed, and its log is followed", async () => {
  const { page, close } = await open(`${shop.url("admin")}/#/processes`);
  await page.getByLabel("Changes are signed").fill("민지");
  await page.getByLabel("Changes are signed").press("Tab");
  await page.getByRole("button", { name: "One more instance of web" }).click();
  await page.locator(".notice", { hasText: "web will run 3 instances" }).waitFor();
  const third = page.locator("tr", { hasText: "web-3" });
  await third.locator(".badge.is-up").waitFor();
  await page.getByText(/set by 민지 .*; the file says 2/).waitFor();
  await eventually("CPU and memory are measured", async () => /\d %.*\d MiB/.test(await third.textContent()));
  await page.getByRole("link", { name: "Log of orders-1" }).click();
  await page.waitForFunction(() => {
    const all = [...document.querySelectorAll(".log-line")].map((line) => line.textContent);
    return all.some((line) => line.includes("POST /orders 201")) && all.every((line) => line.includes("orders-1"));
  }, null, { timeout: LONG });
  await page.getByRole("button", { name: "Pause" }).click();
  const count = await page.locator(".log-line").count();
  await page.waitForTimeout(2500);
  assert.equal(await page.locator(".log-line").count(), count);
  await page.getByRole("button", { name: "Go on" }).click();
  await page.waitForFunction((before) => document.querySelectorAll(".log-line").length > before, count, { timeout: LONG });
  await page.getByRole("searchbox", { name: "Lines with …" }).fill("nobody writes this");
  await page.waitForFunction(() => document.querySelectorAll(".log-line:not([hidden])").length === 0);
  await page.getByRole("searchbox", { name: "Lines with …" }).fill("moon jar");
  await page.locator(".log-line:not([hidden])", { hasText: "Moon jar" }).first().waitFor();
  await page.getByRole("button", { name: "One instance of web less" }).click();
  await third.waitFor({ state: "detached" });
  await close();
});

test("language and look are switched, and remembered", async () => {
  const { page, close } = await open(shop.url("admin"));
  await page.getByRole("button", { name: "한국어로 보기" }).click();
  await page.locator("h1", { hasText: "한눈에" }).waitFor();
  assert.equal(await page.evaluate(() => document.documentElement.lang), "ko");
  const paper = () => page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
  const light = await paper();
  // From what the system says to light, to dark.
  await page.keyboard.press("t");
  await page.keyboard.press("t");
  const dark = await paper();
  assert.notEqual(dark, light);
  await page.reload();
  await page.locator("h1", { hasText: "한눈에" }).waitFor();
  assert.equal(await paper(), dark);
  await page.getByRole("button", { name: "View in English" }).click();
  await page.locator("h1", { hasText: "Overview" }).waitFor();
  await close();
});

test("everything is reached by keyboard alone", async () => {
  const { page, close } = await open(shop.url("admin"));
  await box(page, "orders").waitFor();
  const focused = () => page.evaluate(() => {
    const element = document.activeElement;
    return element.getAttribute("aria-label") ?? element.textContent.trim();
  });
  await page.keyboard.press("Tab");
  assert.equal(await focused(), "To the content");
  const way = [];
  for (let presses = 0; presses < 24; presses += 1) {
    await page.keyboard.press("Tab");
    way.push(await focused());
  }
  for (const stop of ["Madang", "Overview", "Services", "한국어로 보기", "Keys and help", "Gateway: to the routes"]) assert.ok(way.includes(stop), `${stop} in ${way}`);
  assert.ok(way.some((stop) => stop.startsWith("orders: 2 of 2")), way.join());
  await page.keyboard.press("?");
  await page.getByRole("dialog", { name: "Keys" }).waitFor();
  await page.keyboard.press("Escape");
  await page.getByRole("dialog", { name: "Keys" }).waitFor({ state: "detached" });
  for (const [key, title] of [["s", "Services"], ["r", "Routes"], ["q", "Requests"], ["p", "Processes"], ["o", "Overview"]]) {
    await page.keyboard.press("g");
    await page.keyboard.press(key);
    await page.locator("h1", { hasText: title }).waitFor();
  }
  await page.keyboard.press("/");
  await page.locator("[data-search]:focus").waitFor();
  await page.keyboard.type("orders-2");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await page.locator("h2", { hasText: "orders" }).waitFor();
  await page.getByRole("link", { name: "orders-2", exact: true }).focus();
  await page.keyboard.press("Enter");
  await page.getByRole("dialog", { name: "orders-2" }).waitFor();
  await page.keyboard.press("Escape");
  await page.getByRole("dialog", { name: "orders-2" }).waitFor({ state: "detached" });
  await close();
});

test("a Madang with a token asks for it; one that goes away is told about and found again", async () => {
  const env = { MADANG_ADMIN__TOKEN: TOKEN };
  let guarded = await start({ env });
  try {
    const lost = (text) => /Failed to load resource|net::ERR_/.test(text);
    const { page, close } = await open(guarded.url("admin"), { expected: lost });
    const ask = page.getByRole("dialog", { name: "This Madang asks for its token" });
    await ask.getByLabel("Token").fill("not-the-right-token");
    await page.keyboard.press("Enter");
    await ask.getByText("That token was not accepted.").waitFor();
    await ask.getByLabel("Token").fill(TOKEN);
    await page.keyboard.press("Enter");
    await box(page, "orders").filter({ hasText: "2/2" }).waitFor();
    await page.reload();
    await box(page, "orders").filter({ hasText: "2/2" }).waitFor();
    const { offset } = guarded;
    await guarded.stop();
    await page.getByRole("alert").filter({ hasText: "The connection to Madang is lost." }).waitFor();
    // What was there is still shown.
    await box(page, "orders").waitFor();
    guarded = await start({ env, offset });
    await page.getByRole("button", { name: "Try now" }).click({ timeout: 2000 }).catch(() => {});
    await page.locator(".pulse.is-live").waitFor();
    await page.getByRole("alert").waitFor({ state: "detached" });
    await close();
  } finally {
    await guarded.stop();
  }
});

/** What would be wrong on any page: things wider than the window, and elements that a name brought in. */
const wrongs = () => {
  const found = [];
  if (document.documentElement.scrollWidth > innerWidth) found.push(`${document.documentElement.scrollWidth} pixels wide`);
  if (document.querySelector("img, script:not([src]), iframe, [onerror], [style*=url]")) found.push("markup from a name");
  const boxes = [...document.querySelectorAll(".picture .box-shape")].map((shape) => shape.getBoundingClientRect());
  for (const [at, a] of boxes.entries()) {
    for (const b of boxes.slice(at + 1)) {
      if (a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 1 && b.top < a.bottom - 1) found.push("two boxes on each other");
    }
  }
  return found;
};

test("hostile names stay text, 300 instances fit, and nothing is wider than the window", async () => {
  for (const size of [3, 300]) {
    const made = await fake({ size });
    for (const viewport of [WIDE, NARROW]) {
      const { page, close } = await open(made.url, { viewport, locale: viewport === NARROW ? "ko-KR" : "en-US" });
      for (const name of [...PAGES, "services/orders", "requests/5f2a-1003", ...(size === 300 ? [`services/${encodeURIComponent("<img src=x onerror=alert(1)>")}/${encodeURIComponent('"><script>alert(1)</script>')}`] : [])]) {
        await page.goto(`${made.url}/#/${name}`);
        await page.locator(name === "overview" ? ".picture" : "table:visible, .choices:visible").first().waitFor();
        await page.waitForTimeout(300);
        assert.deepEqual(await page.evaluate(wrongs), [], `${name} with ${size} at ${viewport.width}`);
      }
      await close();
    }
    made.close();
  }
  const made = await fake({ empty: true });
  const { page, close } = await open(made.url);
  for (const name of PAGES) {
    await page.goto(`${made.url}/#/${name}`);
    await page.locator(".empty").waitFor();
    assert.ok((await page.locator(".empty").textContent()).length > 40, name);
  }
  await close();
  made.close();
});

test("pictures of all pages are left behind, and no page complains", async () => {
  for (const [shape, viewport] of [["wide", WIDE], ["narrow", NARROW]]) {
    for (const colorScheme of ["light", "dark"]) {
      for (const locale of colorScheme === "light" ? ["en-US", "ko-KR"] : ["en-US"]) {
        const { page, close } = await open(shop.url("admin"), { viewport, colorScheme, locale });
        for (const name of PAGES) {
          await page.goto(`${shop.url("admin")}/#/${name}`);
          await page.locator(".picture:visible, table:visible, .choices:visible, .empty:visible").first().waitFor();
          if (name === "overview") await page.waitForTimeout(1500);
          assert.deepEqual(await page.evaluate(wrongs), [], `${name} ${shape}`);
          await page.screenshot({ path: `${PICTURES}${name}-${shape}-${colorScheme}-${locale.slice(0, 2)}.png` });
        }
        await close();
      }
    }
  }
});
