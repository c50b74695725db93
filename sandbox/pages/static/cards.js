// One card as the specification has it, and the answers a clinician can give to it.

import { element, replace } from "./dom.js";
import { isWebAddress, parse, toNodes } from "./markdown.js";

const WORDS = { info: "Information", warning: "Warning", critical: "Critical" };

// `answer(kind, body)` sends accept or override and resolves to what the EHR did; `about` names the orders it is about.
export function cardElement(call, card, place, answer, about = "") {
  const indicator = Object.hasOwn(WORDS, card.indicator) ? card.indicator : "info";
  const box = element("article", { class: `card ${indicator}` });
  const outcome = element("p", { class: "outcome", role: "status" });
  const answers = element("div", { class: "answers" });
  const settle = (text, isDone) => {
    replace(outcome, text);
    box.classList.toggle("answered", isDone);
    if (!isDone) return;
    answers.remove();
    for (const part of box.querySelectorAll("details")) part.open = false;
  };
  replace(
    answers,
    suggestions(card, (suggestion, chosen) => accept(card, suggestion, chosen, place, answer, settle, answers)),
    override(card, place, answer, settle),
  );
  replace(
    box,
    element(
      "header",
      {},
      element("span", { class: "indicator" }, WORDS[indicator]),
      element("h3", {}, String(card.summary ?? "")),
    ),
    about ? element("p", { class: "about" }, `About the order: ${about}`) : null,
    card.detail
      ? element(
          "details",
          { open: indicator !== "info" },
          element("summary", {}, "Detail"),
          element("div", { class: "markdown" }, ...toNodes(parse(String(card.detail)), element)),
        )
      : null,
    links(card),
    answers,
    outcome,
    element("footer", {}, source(card), element("span", {}, `${call.service.id} at ${call.service.hook}`)),
  );
  return box;
}

function source(card) {
  const { label, url } = card.source ?? {};
  const text = label ?? "no source";
  return element("span", {}, "Source: ", url && isWebAddress(url) ? outward(url, text) : text);
}

function outward(url, text) {
  return element("a", { href: url, target: "_blank", rel: "noopener noreferrer" }, text);
}

function links(card) {
  const shown = (card.links ?? []).map((link) => {
    if (link.type === "absolute" && isWebAddress(link.url)) return element("li", {}, outward(link.url, link.label));
    return element("li", {}, `${link.label} `, element("span", { class: "muted small" }, "an app, not launched here"));
  });
  return shown.length ? element("ul", { class: "links" }, shown) : null;
}

function suggestions(card, choose) {
  return (card.suggestions ?? []).map((suggestion, index) => {
    const actions = (suggestion.actions ?? []).map((action) =>
      element("li", {}, element("span", { class: "tag" }, action.type), ` ${whatOf(action, suggestion)}`),
    );
    const button = element(
      "button",
      { type: "button", class: "accept", onclick: () => choose(suggestion, index) },
      suggestion.label,
      suggestion.isRecommended ? " (recommended)" : "",
    );
    return element("div", { class: "suggestion" }, button, actions.length ? element("ul", {}, actions) : null);
  });
}

// The button says it already, mostly: then which resource it is says more.
function whatOf(action, { label }) {
  const { description, resource, resourceId } = action;
  const named = resource?.id ? `${resource.resourceType}/${resource.id}` : resource?.resourceType;
  return description && description !== label ? description : (resourceId ?? named ?? "");
}

async function accept(card, suggestion, index, place, answer, settle, answers) {
  const done = await answer("accept", { card: place, suggestion: index });
  if (done.problem) return settle(`Not accepted: ${done.problem}`, false);
  const changed = done.applied === null ? "Nothing changed: this server's charts are read only" : done.applied.join(", ") || "Nothing to change";
  const text = `Accepted: ${suggestion.label}. ${changed}. ${reported(done.feedback)}`;
  // Under `any` the other suggestions can still be accepted.
  const isLast = card.selectionBehavior !== "any" || (card.suggestions ?? []).length === 1;
  settle(text, isLast);
  if (!isLast) answers.querySelectorAll(".suggestion")[index].classList.add("taken");
  if (!isLast) answers.querySelectorAll(".accept")[index].disabled = true;
  return undefined;
}

function reported(status) {
  if (status === null) return "No feedback: the card or suggestion has no uuid.";
  return status === 200 ? "Feedback recorded." : `Feedback was answered with ${status || "nothing"}.`;
}

let forms = 0;

function override(card, place, answer, settle) {
  forms += 1;
  const name = `reason-${forms}`;
  const reasons = (card.overrideReasons ?? []).map((reason, index) =>
    element(
      "label",
      { class: "reason" },
      element("input", { type: "radio", name, value: index }),
      ` ${reason.display ?? reason.code}`,
    ),
  );
  const comment = element("textarea", { rows: 2, name: "comment" });
  const send = async (event) => {
    event.preventDefault();
    const chosen = event.target.querySelector("input:checked");
    const reason = chosen ? Number(chosen.value) : null;
    const done = await answer("override", { card: place, reason, comment: comment.value });
    if (done.problem) return settle(`Not sent: ${done.problem}`, false);
    const why = reason === null ? "" : `: ${card.overrideReasons[reason].display ?? ""}`;
    return settle(`Overridden${why}. ${reported(done.feedback)}`, true);
  };
  const form = element(
    "form",
    { onsubmit: send },
    reasons.length ? element("fieldset", {}, element("legend", {}, "Reason"), reasons) : null,
    element("label", { class: "comment" }, "Comment", comment),
    element("button", { type: "submit" }, "Send override"),
  );
  return element("details", { class: "override" }, element("summary", {}, "Override"), form);
}
