// Order entry: drafts that are picked, advised on and signed, and a new allergy. Nothing of it is in the chart before that.

import { element, replace } from "./dom.js";

const KINDS = [
  ["drug", "Drugs"],
  ["test", "Tests"],
  ["imaging", "Imaging"],
];
const SEVERITIES = ["mild", "moderate", "severe"];
const TYPES = ["allergy", "intolerance"];

// `desk` gives the page's `get`, `post`, `patient`, `user`, `fire` (which resolves to the answers) and `redrawChart`.
export function orderEntry(desk) {
  const at = (id) => document.getElementById(id);
  const orderForm = at("order-form");
  const allergyForm = at("allergy-form");
  let drafts = [];
  let allergy = null;
  // What was advised on may be signed as it is; any change needs advice anew.
  let isAdvised = false;

  const say = (...words) => replace(at("entry-outcome"), ...words);
  const about = (more = {}) => ({ patient: desk.patient(), user: desk.user(), ...more });

  async function offer() {
    const offered = await desk.get("/ehr/orderables");
    if (offered.problem) return say(`Nothing can be ordered: ${offered.problem}`);
    replace(
      orderForm.elements.order,
      KINDS.map(([kind, title]) =>
        element("optgroup", { label: title }, offered.orders.filter((o) => o.kind === kind).map((o) => option(o.id, o.text))),
      ),
    );
    fill("substance", offered.substances.map(({ code, text }) => option(code, text)));
    fill("reaction", offered.reactions.map(({ code, text }) => option(code, text)));
    fill("severity", SEVERITIES.map((word) => option(word, word)));
    return fill("kind", TYPES.map((word) => option(word, word)));
  }

  function fill(name, options) {
    replace(allergyForm.elements[name], options);
  }

  // Another patient: what stood here was not theirs.
  async function open() {
    say();
    at("entry").hidden = false;
    await refresh();
    at("entry").open = drafts.length > 0 || allergy !== null;
    const patient = desk.patient();
    // What the chart came with was picked, or entered, before it was opened.
    if (drafts.length) await desk.fire("order-select", { picked: drafts[drafts.length - 1].reference });
    if (allergy !== null && patient === desk.patient()) await desk.fire("allergyintolerance-create");
  }

  function close() {
    at("entry").hidden = true;
  }

  async function refresh() {
    const patient = desk.patient();
    const entered = await desk.get(`/ehr/patients/${encodeURIComponent(patient)}/entered`);
    if (entered.problem || patient !== desk.patient()) return;
    drafts = entered.drafts;
    allergy = entered.allergy;
    isAdvised = false;
    draw();
  }

  function draw() {
    replace(at("drafts"), drafts.map(row));
    replace(at("entry-count"), drafts.length ? `${drafts.length} ${drafts.length === 1 ? "draft" : "drafts"}` : "no drafts");
    at("sign").disabled = drafts.length === 0;
    replace(at("sign"), isAdvised ? "Sign all the same" : "Sign");
    at("save-allergy").disabled = !allergy;
    replace(at("allergy-entered"), allergy ? `Entered, not saved: ${allergy}` : "");
  }

  function row(draft) {
    return element(
      "li",
      { "data-reference": draft.reference },
      element("span", {}, draft.text, draft.sig ? element("span", { class: "muted small sig" }, draft.sig) : null),
      element("button", { type: "button", "aria-label": `Select ${draft.text}`, onclick: () => select(draft.reference) }, "Select"),
      element("button", { type: "button", "aria-label": `Remove ${draft.text}`, onclick: () => remove(draft) }, "Remove"),
    );
  }

  async function pick(event) {
    event.preventDefault();
    const done = await desk.post("/ehr/orders", about({ order: orderForm.elements.order.value }));
    if (done.problem) return say(`Not ordered: ${done.problem}`);
    say();
    await refresh();
    return select(done.picked);
  }

  async function select(reference) {
    isAdvised = false;
    await desk.fire("order-select", { picked: reference });
  }

  async function remove(draft) {
    await desk.post("/ehr/orders/remove", about({ draft: draft.reference }));
    say(`Removed: ${draft.text}`);
    await refresh();
  }

  async function sign() {
    if (isAdvised) return place();
    const patient = desk.patient();
    const answers = await desk.fire("order-sign");
    if (patient !== desk.patient()) return undefined;
    const failed = answers.filter(({ call }) => call?.status !== 200);
    const cards = answers.flatMap(({ call }) => call?.response?.cards ?? []);
    if (!failed.length && !cards.length) return place();
    isAdvised = true;
    replace(at("sign"), "Sign all the same");
    const unheard = failed.length ? ` ${failed.length} of ${answers.length} services gave no answer.` : "";
    return say(`Not signed yet: ${cards.length} ${cards.length === 1 ? "card" : "cards"} to read.${unheard}`);
  }

  async function place() {
    const done = await desk.post("/ehr/orders/sign", about());
    if (done.problem) return say(`Not signed: ${done.problem}`);
    say(`Signed: ${done.placed.length} ${done.placed.length === 1 ? "order" : "orders"}`);
    await refresh();
    return desk.redrawChart();
  }

  async function enterAllergy(event) {
    event.preventDefault();
    const chosen = Object.fromEntries(["substance", "reaction", "severity", "kind"].map((n) => [n, allergyForm.elements[n].value]));
    const done = await desk.post("/ehr/allergies", about(chosen));
    if (done.problem) return say(`Not entered: ${done.problem}`);
    await refresh();
    return desk.fire("allergyintolerance-create");
  }

  async function saveAllergy() {
    const done = await desk.post("/ehr/allergies/save", about());
    if (done.problem) return say(`Not saved: ${done.problem}`);
    say("Saved to the allergy list");
    await refresh();
    return desk.redrawChart();
  }

  orderForm.addEventListener("submit", pick);
  allergyForm.addEventListener("submit", enterAllergy);
  at("sign").addEventListener("click", sign);
  at("save-allergy").addEventListener("click", saveAllergy);
  return { offer, open, close, refresh };
}

function option(value, text) {
  return element("option", { value }, text);
}

// Name the orders that a card is about: those that were picked, or those that its suggestions would change. Of others
// nobody said that the card is about them.
export function ordersOf(call, card) {
  const context = call.request?.context ?? {};
  const drafts = (context.draftOrders?.entry ?? []).map(({ resource }) => [`${resource.resourceType}/${resource.id}`, resource]);
  if (!drafts.length) return "";
  const actions = (card.suggestions ?? []).flatMap((suggestion) => suggestion.actions ?? []);
  const changed = actions.map((a) => a.resourceId ?? (a.resource?.id ? `${a.resource.resourceType}/${a.resource.id}` : ""));
  const meant = drafts.filter(([reference]) => (context.selections ?? changed).includes(reference));
  return meant.map(([, order]) => (order.medicationCodeableConcept ?? order.code)?.text).join("; ");
}
