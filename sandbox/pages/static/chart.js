// The chart page.

import { element, replace, svg } from "./dom.js";

const CATEGORIES = [
  ["vital-signs", "Vital signs"],
  ["laboratory", "Laboratory"],
  ["other", "Other observations"],
];

export function showChart(container, chart, story) {
  const { patient } = chart;
  replace(
    container,
    element(
      "header",
      { class: "who" },
      element("h1", {}, patient.name || "no name"),
      element(
        "p",
        {},
        `${patient.sex}, ${patient.age}, born ${patient.born}`,
        patient.deceased ? element("span", { class: "tag tag-dark" }, `deceased ${shortTime(patient.deceased)}`) : null,
      ),
      story ? element("p", { class: "story" }, story) : null,
      element("p", { class: "muted small" }, `Patient/${patient.id}`),
    ),
    chart.unavailable.length
      ? element("p", { class: "notice" }, `Could not be read: ${chart.unavailable.join(", ")}`)
      : null,
    element(
      "div",
      { class: "columns" },
      lines("Problems", chart.problems, (p) => [
        p.text,
        p.code,
        p.status === "active" ? null : tag(p.status),
        since(p.since),
      ]),
      lines("Medications", chart.medications, (m) => [
        m.text,
        null,
        m.status === "active" ? null : tag(m.status),
        since(m.since),
      ]),
      lines("Orders and tasks", chart.orders, (o) => [o.text || o.kind, o.kind, tag(o.status), since(o.since)]),
      lines("Allergies", chart.allergies, (text) => [text, null, null, null]),
      lines("Encounters", chart.encounters.slice(0, 6), (e) => [
        kindOfStay(e.kind),
        null,
        tag(e.status),
        period(e.start, e.end),
      ]),
    ),
    ...CATEGORIES.map(([category, title]) => results(category, title, chart.results)),
  );
}

function tag(text) {
  return text ? element("span", { class: "tag" }, text) : null;
}

function since(time) {
  return time ? shortTime(time) : null;
}

function kindOfStay(code) {
  const names = { AMB: "Clinic visit", IMP: "Inpatient stay", EMER: "Emergency", ACUTE: "Inpatient stay" };
  return names[code] ?? (code || "Encounter");
}

// The text of the resource, cut to minutes: a browser's time zone must not move a date.
export function shortTime(text) {
  if (typeof text !== "string") return "";
  return text.length > 10 ? `${text.slice(0, 10)} ${text.slice(11, 16)}` : text;
}

function period(start, end) {
  if (!end) return `${shortTime(start)} to now`;
  const isOneDay = start.slice(0, 10) === end.slice(0, 10);
  return isOneDay ? shortTime(start) : `${start.slice(0, 10)} to ${end.slice(0, 10)}`;
}

function lines(title, items, describe) {
  const rows = items.map((item) => {
    const [text, code, mark, when] = describe(item);
    return element(
      "li",
      {},
      element("span", {}, text, code ? element("span", { class: "code" }, code) : null, mark),
      when ? element("span", { class: "when" }, when) : null,
    );
  });
  return element(
    "section",
    { class: "panel" },
    element("h2", {}, title),
    rows.length ? element("ul", {}, rows) : element("p", { class: "muted" }, "None recorded"),
  );
}

function results(category, title, groups) {
  const known = CATEGORIES.map(([name]) => name);
  const shown = groups.filter((group) => (known.includes(group.category) ? group.category : "other") === category);
  if (!shown.length) return null;
  const head = ["Measure", "Latest", "When", "Course"].map((text) => element("th", { scope: "col" }, text));
  return element(
    "section",
    { class: "panel" },
    element("h2", {}, title),
    element("table", { class: "results" }, element("thead", {}, element("tr", {}, head)), element("tbody", {}, shown.map(row))),
  );
}

function row(group) {
  const latest = group.points[group.points.length - 1];
  const isGood = ["final", "amended", "corrected"].includes(latest.status);
  return element(
    "tr",
    { class: isGood ? null : "doubtful" },
    element("th", { scope: "row" }, group.name),
    element("td", {}, latest.text, isGood ? null : tag(latest.status)),
    element("td", { class: "when" }, shortTime(latest.time)),
    element("td", {}, sparkline(group)),
  );
}

function sparkline(group) {
  const points = group.points.filter((point) => typeof point.number === "number");
  if (points.length < 2) return element("span", { class: "muted small" }, "single value");
  const [width, height] = [120, 26];
  const values = points.map((point) => point.number);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const place = (value, index) => [
    3 + (index * (width - 6)) / (points.length - 1),
    high === low ? height / 2 : height - 4 - ((value - low) * (height - 8)) / (high - low),
  ];
  const path = values.map((value, index) => place(value, index).map((n) => n.toFixed(1)).join(","));
  const [x, y] = place(values[values.length - 1], values.length - 1);
  return svg(
    "svg",
    {
      class: "spark",
      viewBox: `0 0 ${width} ${height}`,
      role: "img",
      "aria-label": `${points.length} values from ${low} to ${high}, the latest ${values[values.length - 1]}`,
    },
    svg("polyline", { points: path.join(" ") }),
    svg("circle", { cx: x.toFixed(1), cy: y.toFixed(1), r: 2.6 }),
  );
}
