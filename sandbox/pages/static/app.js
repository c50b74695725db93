// The EHR page: patients, chart, cards and the wire. What is chosen stands in the address, so a link repeats it.

import { cardElement } from "./cards.js";
import { showChart } from "./chart.js";
import { element, replace } from "./dom.js";
import { orderEntry, ordersOf } from "./orders.js";

const STARTING = ["planned", "arrived", "triaged", "in-progress", "onleave"];
// The hooks that have a button, in words, and whether they need an encounter.
const BUTTONS = {
  "patient-view": ["Fire patient-view", false],
  "encounter-start": ["Start encounter", true],
  "encounter-discharge": ["Discharge", true],
};
// Fired by what is entered; what one of them said is stale when another of its line is fired.
const ENTRY = { "order-select": "orders", "order-sign": "orders", "allergyintolerance-create": "allergy" };
const DEFAULTS = { prefetch: "complete", server: "well", token: "good", without: "", user: "" };

const at = (id) => document.getElementById(id);
const form = at("switches");
const page = { patients: [], services: [], chart: null, opening: 0, answers: new Map() };
const entry = orderEntry({
  get,
  post,
  fire,
  redrawChart,
  patient: () => parameters().get("patient"),
  user: () => form.elements.user.value.trim(),
});

function get(path) {
  return exchange(path, { headers: { Accept: "application/json" } });
}

function post(path, body) {
  return exchange(path, {
    method: "POST",
    headers: { "Content-Type": "application/json", Accept: "application/json" },
    body: JSON.stringify(body),
  });
}

// What cannot be had is a problem in words, never an exception that nobody sees.
async function exchange(path, how) {
  try {
    const answer = await fetch(path, how);
    return answer.ok ? await answer.json() : { problem: await problemOf(answer) };
  } catch {
    return { problem: "the EHR did not answer" };
  }
}

async function problemOf(answer) {
  try {
    return (await answer.json()).problem ?? `the EHR answered ${answer.status}`;
  } catch {
    return `the EHR answered ${answer.status}`;
  }
}

// The address

function parameters() {
  return new URLSearchParams(window.location.search);
}

function remember(changes) {
  const found = parameters();
  for (const [name, value] of Object.entries(changes)) {
    if (value && value !== DEFAULTS[name]) found.set(name, value);
    else found.delete(name);
  }
  const query = found.toString();
  window.history.replaceState(null, "", query ? `?${query}` : window.location.pathname);
}

function configured() {
  const { prefetch, server, token, without, user } = form.elements;
  return {
    prefetch: prefetch.value,
    server: server.value,
    token: token.value,
    without: without.value.split(",").map((key) => key.trim()).filter(Boolean),
    user: user.value.trim(),
  };
}

// Patients

function showPatients() {
  const wanted = at("search").value.trim().toLowerCase();
  const shown = page.patients.filter((p) => `${p.name} ${p.story} ${p.id}`.toLowerCase().includes(wanted));
  replace(
    at("patient-list"),
    shown.map((patient) =>
      element(
        "li",
        {},
        element(
          "button",
          { type: "button", "data-patient": patient.id, onclick: () => openChart(patient.id) },
          element("span", { class: "name" }, patient.name, patient.deceased ? " †" : ""),
          element("span", { class: "muted small" }, `${patient.sex}, ${patient.born}`),
          patient.story ? element("span", { class: "story small" }, patient.story) : null,
        ),
      ),
    ),
    shown.length ? null : element("li", { class: "muted" }, "No patient matches."),
  );
  markOpenPatient();
}

// The list is not drawn anew: the keyboard stays on the button that was pressed.
function markOpenPatient() {
  const open = parameters().get("patient");
  for (const button of at("patient-list").querySelectorAll("button")) {
    if (button.dataset.patient === open) {
      button.setAttribute("aria-current", "true");
      button.scrollIntoView({ block: "nearest" });
    } else button.removeAttribute("aria-current");
  }
}

async function openChart(id) {
  page.opening += 1;
  const opening = page.opening;
  remember({ patient: id });
  markOpenPatient();
  clearAdvice();
  at("chart").scrollTop = 0;
  replace(at("chart"), element("p", { class: "empty" }, "Opening the chart…"));
  const chart = await get(`/ehr/patients/${encodeURIComponent(id)}`);
  // A chart that was left meanwhile must not appear, nor its cards.
  if (opening !== page.opening) return;
  if (chart.problem) {
    replace(at("chart"), element("p", { class: "notice" }, `The chart cannot be opened: ${chart.problem}`));
    return;
  }
  page.chart = chart;
  drawChart();
  const isStarting = STARTING.includes(chart.encounters[0]?.status);
  await fire("patient-view");
  if (isStarting && opening === page.opening) await fire("encounter-start");
  if (opening === page.opening) await entry.open();
}

function drawChart() {
  const story = page.patients.find((patient) => patient.id === page.chart.patient.id)?.story;
  showChart(at("chart"), page.chart, story);
  drawHooks();
}

async function redrawChart() {
  const opening = page.opening;
  const chart = await get(`/ehr/patients/${encodeURIComponent(page.chart.patient.id)}`);
  if (opening !== page.opening || chart.problem) return;
  page.chart = chart;
  drawChart();
}

// Cards

function clearAdvice() {
  page.answers.clear();
  page.chart = null;
  entry.close();
  replace(at("cards"));
  replace(at("asked"));
  replace(at("advice-summary"));
}

// Resolves to the answers that came, none of a chart that was left meanwhile.
async function fire(hook, more = {}) {
  const opening = page.opening;
  const services = page.services.filter((service) => service.hook === hook);
  // What an earlier firing of the hook said is stale from now on.
  for (const [key, kept] of page.answers) if (isOneLine(kept.service.hook, hook)) page.answers.delete(key);
  const waiting = services.map((service) => ({ service, isWaiting: true }));
  for (const each of waiting) page.answers.set(each.service.id, each);
  drawAdvice();
  await Promise.all(waiting.map((each) => ask(each, opening, more)));
  return opening === page.opening ? services.map((service) => page.answers.get(service.id)).filter(Boolean) : [];
}

function isOneLine(hook, other) {
  return hook === other || (ENTRY[hook] !== undefined && ENTRY[hook] === ENTRY[other]);
}

async function ask(waiting, opening, more) {
  const { service } = waiting;
  const body = { service: service.id, hook: service.hook, patient: parameters().get("patient"), ...configured(), ...more };
  const call = await post("/ehr/calls", body);
  // A chart that was left, or a hook that was fired again, meanwhile: nobody waits for this answer any more.
  if (opening !== page.opening || page.answers.get(service.id) !== waiting) return;
  page.answers.set(service.id, { service, call: { ...call, asked: body } });
  drawAdvice();
  const wanted = parameters().get("call");
  if (wanted === `${service.id}@${service.hook}`) showWire(service, call);
}

const RANK = { critical: 0, warning: 1, info: 2 };

function drawAdvice() {
  const answers = [...page.answers.values()];
  const cards = answers.flatMap(({ service, call }) =>
    call?.status === 200 && Array.isArray(call.response?.cards)
      ? call.response.cards
          .filter((card) => card && typeof card === "object" && !Array.isArray(card))
          .map((card, place) => ({ service, call, card, place }))
      : [],
  );
  cards.sort((a, b) => (RANK[a.card.indicator] ?? 3) - (RANK[b.card.indicator] ?? 3));
  const refused = answers.filter(isRefused);
  // A card that stands there already keeps what was opened, typed or answered in it.
  replace(at("cards"), refusal(answers, refused), cards.map((entry) => drawnCard(entry)));
  replace(at("asked"), answers.map(askedLine));
  const waiting = answers.filter((answer) => answer.isWaiting).length;
  replace(
    at("advice-summary"),
    answers.length === 0 ? noServices() : waiting ? `Asking ${waiting} of ${answers.length} services…` : summed(cards, answers, refused),
  );
}

function isRefused({ call }) {
  return [401, 403].includes(call?.status);
}

function counted(count, noun) {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

function summed(cards, answers, refused) {
  const asked = `${counted(cards.length, "card")} from ${counted(answers.length - refused.length, "service")}`;
  if (!refused.length) return asked;
  return refused.length === answers.length ? "No service gave an answer." : `${asked}, ${refused.length} refused the call`;
}

// Who is refused has been told nothing: that must not look like nothing to say.
function refusal(answers, refused) {
  if (!refused.length) return null;
  const [first] = refused;
  const all = refused.length === answers.length ? `All ${refused.length}` : `${refused.length} of ${answers.length}`;
  const who = refused.length === 1 ? first.service.title : `${all} services`;
  return element(
    "section",
    { class: "refusal", role: "status" },
    element("h3", {}, "No decision support"),
    element("p", {}, `${who} refused the call: ${first.call.status}, ${issueOf(first.call.response).replace(/\.$/, "")}.`),
    element("p", { class: "muted small" }, "A refused call says nothing about the patient. ", whyRefused(first.call)),
  );
}

const WRONG = {
  absent: "The call was sent without a token",
  expired: "Its token had expired",
  audience: "Its token was made for another service",
  key: "Its token was signed with a key that was never published",
  replayed: "Its token had been used before",
};

function whyRefused({ asked }) {
  const wrong = WRONG[asked.token];
  return wrong
    ? `${wrong}, as the switch Token above says. The service never tells which fault it was.`
    : "The service does not know this EHR, or not its keys.";
}

const drawn = new WeakMap();

function drawnCard({ call, card, place }) {
  if (!drawn.has(card)) {
    const answer = async (kind, body) => {
      const done = await post(`/ehr/${kind}`, { call: call.id, ...body });
      if (kind === "accept" && !done.problem) await Promise.all([redrawChart(), entry.refresh()]);
      return done;
    };
    drawn.set(card, cardElement(call, card, place, answer, ordersOf(call, card)));
  }
  return drawn.get(card);
}

function noServices() {
  return page.services.length ? "No service answers this hook." : "The CDS service offers nothing.";
}

function askedLine({ service, call, isWaiting }) {
  const [mark, words] = described(call, isWaiting);
  const button = element(
    "button",
    { type: "button", disabled: !call?.request, onclick: () => showWire(service, call) },
    element("span", { class: `dot ${mark}`, "aria-hidden": "true" }),
    element("span", {}, service.title),
    element("span", { class: "muted small" }, `${service.hook}: ${words}`),
  );
  return element("li", {}, button, call?.breaches?.length ? element("p", { class: "notice small" }, call.breaches.join("; ")) : null);
}

function described(call, isWaiting) {
  if (isWaiting) return ["waiting", "asking…"];
  if (call.skipped) return ["quiet", `not asked, ${call.skipped}`];
  if (call.problem) return ["bad", call.problem];
  if (call.status !== 200) return ["bad", `${call.status}, ${issueOf(call.response)} (${call.milliseconds} ms)`];
  const count = call.response?.cards?.length ?? 0;
  return [count ? "good" : "quiet", `${count || "no"} ${count === 1 ? "card" : "cards"} (${call.milliseconds} ms)`];
}

function issueOf(response) {
  return response?.issue?.[0]?.details?.text ?? "no reason given";
}

function drawHooks() {
  const offered = new Set(page.services.map((service) => service.hook));
  const hasStay = page.chart?.encounters.length > 0;
  const shown = Object.entries(BUTTONS).filter(([hook, [, needsStay]]) => offered.has(hook) && (hasStay || !needsStay));
  replace(
    at("fire"),
    shown.map(([hook, [words]]) => element("button", { type: "button", onclick: () => page.chart && fire(hook) }, words)),
  );
}

// The wire

function showWire(service, call) {
  if (!call?.request) return;
  remember({ call: `${service.id}@${service.hook}` });
  const size = JSON.stringify(call.request).length;
  const kilobytes = size < 10240 ? `${(size / 1024).toFixed(1)} KB` : `${Math.round(size / 1024)} KB`;
  replace(at("wire-title"), `${service.id} at ${service.hook}: ${call.status ?? "no answer"}, ${call.milliseconds} ms, ${kilobytes} sent`);
  replace(at("token"), call.token ? JSON.stringify(call.token, null, 2) : "The call was sent without a token.");
  replace(at("request"), JSON.stringify(call.request, null, 2));
  replace(at("response"), JSON.stringify(call.response, null, 2) ?? "");
  at("wire").open = true;
}

// The signing key

function showSigning(signing) {
  at("rotate").hidden = !signing;
  if (!signing) return replace(at("signing"), "This EHR does not sign its calls.");
  const next = signing.next ? ` ${signing.next.key} is published and signs from ${clockOf(signing.next.signsFrom)}.` : "";
  if (signing.next) {
    const until = new Date(signing.next.signsFrom) - Date.now();
    window.setTimeout(() => showSigning({ ...signing, key: signing.next.key, next: null }), Math.max(until, 0));
  }
  return replace(at("signing"), `${signing.algorithm}, key ${signing.key}.${next}`);
}

function clockOf(time) {
  return new Date(time).toLocaleTimeString([], { hour12: false });
}

async function rotateKey() {
  const signing = await post("/ehr/rotate-key", {});
  if (signing.problem) return replace(at("signing"), `Not rotated: ${signing.problem}`);
  return showSigning(signing);
}

// Start

async function start() {
  const found = parameters();
  for (const name of Object.keys(DEFAULTS)) {
    const wanted = found.get(name);
    const control = form.elements[name];
    if (wanted !== null) control.value = wanted;
    if (control.value === "" && DEFAULTS[name]) control.value = DEFAULTS[name];
    control.addEventListener("change", () => {
      remember({ [name]: control.value.trim() });
      if (page.chart) openChart(page.chart.patient.id);
    });
  }
  form.addEventListener("submit", (event) => event.preventDefault());
  at("search").addEventListener("input", showPatients);
  at("rotate").addEventListener("click", rotateKey);
  const [patients, about] = await Promise.all([get("/ehr/patients"), get("/ehr/services"), entry.offer()]);
  page.patients = Array.isArray(patients) ? patients : [];
  page.services = (about.services ?? []).filter(({ hook }) => hook in BUTTONS || hook in ENTRY);
  showStatus(about, patients);
  showSigning(about.signing);
  drawHooks();
  showPatients();
  const patient = found.get("patient");
  if (patient) await openChart(patient);
}

function showStatus(about, patients) {
  const problem = about.problem ?? patients.problem;
  replace(
    at("service-status"),
    element("span", { class: `dot ${problem ? "bad" : "good"}`, "aria-hidden": "true" }),
    `${about.base?.replace(/^https?:\/\//, "") ?? "CDS service"}: `,
    problem ?? counted(new Set(about.services.map((service) => service.id)).size, "service"),
  );
}

start();
