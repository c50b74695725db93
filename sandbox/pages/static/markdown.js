// The part of GitHub-flavoured markdown that cards use: headings, paragraphs, lists, tables, emphasis, code, links.
// `parse` gives a tree of [name, ...children]; HTML in the text stays text.

const ENTITIES = { "&lt;": "<", "&gt;": ">", "&amp;": "&", "&quot;": '"', "&#39;": "'", "&nbsp;": "\u00a0" };
const INLINE = new RegExp(
  [
    /\\([!-/:-@[-`{-~])/.source, // an escaped character
    /`([^`]+)`/.source,
    /\*\*(.+?)\*\*(?!\*)/.source,
    /\*([^*\s](?:[^*]*[^*\s])?)\*/.source,
    /(?<![\p{L}\p{N}])_([^_\s](?:[^_]*[^_\s])?)_(?![\p{L}\p{N}])/u.source,
    /\[((?:\\.|[^\]\\])*)\]\(\s*([^\s)]+)(?:\s+"[^"]*")?\s*\)/.source,
    /(&(?:lt|gt|amp|quot|#39|nbsp);)/.source,
    /( {2,}\n|\\\n)/.source,
  ].join("|"),
  "gu",
);

export function inline(text) {
  const parts = [];
  let at = 0;
  for (const found of text.matchAll(INLINE)) {
    if (found.index > at) parts.push(text.slice(at, found.index).replaceAll("\n", " "));
    const [, escaped, code, strong, starred, underlined, label, url, entity, hard] = found;
    if (escaped !== undefined) parts.push(escaped);
    else if (code !== undefined) parts.push(["code", code]);
    else if (strong !== undefined) parts.push(["strong", ...inline(strong)]);
    else if (starred !== undefined) parts.push(["em", ...inline(starred)]);
    else if (underlined !== undefined) parts.push(["em", ...inline(underlined)]);
    else if (url !== undefined) parts.push(linked(inline(label), url));
    else if (entity !== undefined) parts.push(ENTITIES[entity]);
    else if (hard !== undefined) parts.push(["br"]);
    at = found.index + found[0].length;
  }
  if (at < text.length) parts.push(text.slice(at).replaceAll("\n", " "));
  return parts;
}

// Only addresses of the web may be followed; any other scheme stays as its label.
export function isWebAddress(url) {
  try {
    return ["https:", "http:"].includes(new URL(url).protocol);
  } catch {
    return false;
  }
}

function linked(label, url) {
  return isWebAddress(url) ? ["a", { href: url }, ...label] : ["span", ...label];
}

function cells(row) {
  return row
    .trim()
    .replace(/^\|/, "")
    .replace(/(?<!\\)\|$/, "")
    .split(/(?<!\\)\|/)
    .map((cell) => inline(cell.trim().replaceAll("\\|", "|")));
}

const STARTS = {
  fence: /^```/,
  heading: /^(#{1,6})\s+(.*)$/,
  rule: /^ {0,3}(?:-{3,}|\*{3,}|_{3,})\s*$/,
  bullet: /^\s*[-*+]\s+(.*)$/,
  number: /^\s*\d+[.)]\s+(.*)$/,
  quote: /^>\s?(.*)$/,
};
const SEPARATOR = /^\s*\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?\s*$/;

export function parse(markdown) {
  const lines = markdown.replaceAll("\r\n", "\n").split("\n");
  const blocks = [];
  let at = 0;
  const take = (pattern) => {
    const taken = [];
    while (at < lines.length && pattern.test(lines[at])) taken.push(lines[at++].match(pattern)[1]);
    return taken;
  };
  while (at < lines.length) {
    const line = lines[at];
    if (!line.trim()) at += 1;
    else if (STARTS.fence.test(line)) {
      const code = [];
      for (at += 1; at < lines.length && !STARTS.fence.test(lines[at]); at += 1) code.push(lines[at]);
      at += 1;
      blocks.push(["pre", code.join("\n")]);
    } else if (STARTS.heading.test(line)) {
      const [, marks, text] = line.match(STARTS.heading);
      // A card's own title is a third-level heading: what it holds comes below that.
      blocks.push([`h${Math.min(marks.length + 3, 6)}`, ...inline(text)]);
      at += 1;
    } else if (STARTS.rule.test(line)) {
      blocks.push(["hr"]);
      at += 1;
    } else if (line.includes("|") && SEPARATOR.test(lines[at + 1] ?? "")) {
      const head = cells(line);
      const body = [];
      for (at += 2; at < lines.length && lines[at].includes("|"); at += 1) body.push(cells(lines[at]));
      blocks.push(table(head, body));
    } else if (STARTS.bullet.test(line)) blocks.push(["ul", ...take(STARTS.bullet).map((item) => ["li", ...inline(item)])]);
    else if (STARTS.number.test(line)) blocks.push(["ol", ...take(STARTS.number).map((item) => ["li", ...inline(item)])]);
    else if (STARTS.quote.test(line)) blocks.push(["blockquote", ...inline(take(STARTS.quote).join("\n"))]);
    else {
      const text = [line];
      for (at += 1; at < lines.length && isProse(lines, at); at += 1) text.push(lines[at]);
      blocks.push(["p", ...inline(text.join("\n"))]);
    }
  }
  return blocks;
}

function isProse(lines, at) {
  const line = lines[at];
  if (!line.trim() || Object.values(STARTS).some((start) => start.test(line))) return false;
  return !(line.includes("|") && SEPARATOR.test(lines[at + 1] ?? ""));
}

const DATE = /^\d{4}(-\d\d){1,2}( \d\d:\d\d)?$/;

function data(cell) {
  const isDate = cell.every((part) => typeof part === "string") && DATE.test(cell.join(""));
  return isDate ? ["td", { class: "date" }, ...cell] : ["td", ...cell];
}

function table(head, body) {
  return [
    "table",
    ["thead", ["tr", ...head.map((cell) => ["th", { scope: "col" }, ...cell])]],
    ["tbody", ...body.map((row) => ["tr", ...row.map(data)])],
  ];
}

export function toNodes(tree, element) {
  return tree.map((node) => {
    if (typeof node === "string") return node;
    const [name, ...rest] = node;
    const hasAttributes = rest.length > 0 && typeof rest[0] === "object" && !Array.isArray(rest[0]);
    const attributes = hasAttributes ? { ...rest[0] } : {};
    if (name === "a") Object.assign(attributes, { target: "_blank", rel: "noopener noreferrer" });
    return element(name, attributes, ...toNodes(hasAttributes ? rest.slice(1) : rest, element));
  });
}
