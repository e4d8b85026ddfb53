// The live page. Names and whatever else the server tells reach the document as text and attribute values only.
(() => {
"use strict";

// ---- Numbers and times as text ----

const ABSENT = "–";

const isNumber = (value) => typeof value === "number" && Number.isFinite(value);

/** Writes a number with a digit behind the point, but for a zero there. */
const short = (value) => value.toFixed(1).replace(/\.0$/, "");

/** Writes seconds by their magnitude: 820 µs, 1.2 ms, 340 ms, 2.1 s, 4.5 min. */
function duration(seconds) {
  if (!isNumber(seconds)) return ABSENT;
  if (seconds <= 0) return "0 ms";
  // Half a unit below each limit, where rounding would reach it.
  if (seconds < 999.5e-6) return `${Math.max(1, Math.round(seconds * 1e6))} µs`;
  if (seconds < 9.95e-3) return `${(seconds * 1e3).toFixed(1)} ms`;
  if (seconds < 999.5e-3) return `${Math.round(seconds * 1e3)} ms`;
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  if (seconds < 99.5) return `${Math.round(seconds)} s`;
  return seconds < 5_970 ? `${short(seconds / 60)} min` : age(seconds);
}

/** Writes seconds that somebody chose, which are round mostly. */
const roundDuration = (seconds) => duration(seconds).replace(".0 ", " ");

/** Writes how long something has lasted, in whole units. */
function age(seconds) {
  if (!isNumber(seconds)) return ABSENT;
  if (seconds < 100) return `${Math.floor(Math.max(0, seconds))} s`;
  if (seconds < 6_000) return `${Math.floor(seconds / 60)} min`;
  return seconds < 172_800 ? `${Math.floor(seconds / 3_600)} h` : `${count(Math.floor(seconds / 86_400))} d`;
}

function count(value) {
  if (!isNumber(value)) return ABSENT;
  if (value < 10_000) return value.toLocaleString("en");
  if (value >= 1e15) return value.toExponential(1);
  const [unit, suffix] = [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"]].find(([unit]) => value >= unit);
  return (value / unit).toPrecision(value / unit < 999.5 ? 3 : 4) + suffix;
}

/** Writes a number of calls per second. */
function frequency(value) {
  if (!isNumber(value)) return ABSENT;
  if (value >= 9.95) return count(Math.round(value));
  return value > 0 && value < 0.05 ? "<0.1" : value.toFixed(1);
}

function percent(rate) {
  if (!isNumber(rate)) return ABSENT;
  return rate > 0 && rate < 0.0005 ? "<0.1 %" : `${(rate * 100).toFixed(1)} %`;
}

/** Writes a share as settings and sentences do, without more digits than it has. */
const plainPercent = (rate) => (isNumber(rate) ? `${Number((rate * 100).toPrecision(4))} %` : ABSENT);

const numbered = (number, one, many = `${one}s`) => `${count(number)} ${number === 1 ? one : many}`;

const words = (name) => String(name).replaceAll("_", " ");

// ---- What a circuit's numbers mean ----

const REFUSED_BY_CIRCUIT = ["circuit_open", "circuit_forced_open", "half_open_full", "ramping_up", "not_ready"];
const REFUSED_FOR_PLACE = ["bulkhead_full", "wait_timed_out", "other_rejection"];

const sum = (tally, fields) => fields.reduce((total, field) => total + (tally?.[field] ?? 0), 0);

const OUTCOMES = [
  ["success", "succeeded", ["success"]],
  ["failure", "failed", ["failure"]],
  ["timeout", "timed out", ["timeout"]],
  ["refused", "refused", [...REFUSED_BY_CIRCUIT, ...REFUSED_FOR_PLACE]],
  ["neutral", "ignored or cancelled", ["ignored", "cancelled"]],
];

const OCTAGON = "M5 1h6l4 4v6l-4 4H5l-4-4V5Z";
const DISC = "M8 1a7 7 0 1 1 0 14A7 7 0 0 1 8 1Z";
const DIAMOND = "M8 0l8 8-8 8-8-8Z";
/** For each kind of circuit its word, its severity, and a shape that tells it without colour. */
const KINDS = {
  open: { word: "Open", severity: 8, shape: `${OCTAGON}M4 7v2h8V7Z` },
  half_open: { word: "Half-open", severity: 7, shape: `${DISC}M8 3v10a5 5 0 0 0 0-10Z` },
  forced_open: { word: "Forced open", severity: 6, shape: `${DIAMOND}M4 7v2h8V7Z` },
  ramping_up: { word: "Ramping up", severity: 5, shape: "M1 10h3.5v5H1ZM6.2 6h3.5v9H6.2ZM11.5 1H15v14h-3.5Z" },
  dry_run_open: { word: "Dry run", severity: 4, shape: `${OCTAGON}M5.8 3 3 5.8v4.4L5.8 13h4.4L13 10.2V5.8L10.2 3Z` },
  strained: { word: "Closed", severity: 3, shape: "M8 1l7.5 14H.5ZM7.2 6v4.6h1.6V6ZM7.2 11.8v1.7h1.6v-1.7Z" },
  forced_closed: { word: "Forced closed", severity: 2, shape: `${DIAMOND}M8 5a3 3 0 1 0 0 6 3 3 0 0 0 0-6Z` },
  dry_run: { word: "Dry run", severity: 1, shape: `${DISC}M8 3a5 5 0 1 0 0 10A5 5 0 0 0 8 3Z` },
  closed: { word: "Closed", severity: 0, shape: "M8 3.5a4.5 4.5 0 1 1 0 9 4.5 4.5 0 0 1 0-9Z" },
};

/** Below this many calls a failure or two says nothing. */
const TELLING = 5;

const judged = (circuit) => sum(circuit.window, ["success", "failure", "timeout"]);

/** Says what strains a circuit that lets calls through, if anything does. */
function strainOf(circuit, wasStrained) {
  // Strained from half of what trips it; released later, so that it does not flap.
  const line = wasStrained ? 0.4 : 0.5;
  const isTelling = judged(circuit) >= Math.min(TELLING, circuit.minimum_calls ?? TELLING);
  if (isTelling && circuit.failure_rate >= line * (circuit.failure_threshold ?? 0.5)) return "failing";
  if (sum(circuit.window, REFUSED_FOR_PLACE) > 0) return "full";
  const isSlow = isTelling && isNumber(circuit.slow_threshold) && circuit.slow_rate >= line * circuit.slow_threshold;
  return isSlow ? "slow" : null;
}

function kindOf(circuit, strain) {
  if (circuit.mode === "forced_open" || circuit.mode === "forced_closed") return circuit.mode;
  if (circuit.mode === "dry_run") return circuit.state === "closed" ? "dry_run" : "dry_run_open";
  if (circuit.state !== "closed") return circuit.state in KINDS ? circuit.state : "strained";
  return strain ? "strained" : "closed";
}

/** Writes a share as "12 of 20 calls failed (60 %, limit 50 %)". */
function shareText(part, calls, verb, threshold) {
  const rate = calls > 0 ? plainPercent(Math.round((1_000 * part) / calls) / 1_000) : ABSENT;
  const limit = isNumber(threshold) ? `, limit ${plainPercent(threshold)}` : "";
  return `${count(part)} of ${numbered(calls, "call")} ${verb} (${rate}${limit})`;
}

/** Says why a circuit is in its state, or why it went there for an event. */
function causeText(cause, circuit) {
  switch (cause?.reason) {
    case "failure_rate": return shareText(cause.failures, cause.calls, "failed", circuit?.failure_threshold);
    case "slow_call_rate": return shareText(cause.slow, cause.calls, "were slow", circuit?.slow_threshold);
    case "consecutive_failures": return `${numbered(cause.failures, "call")} failed in a row`;
    case "open_time_over": return "the open time was over";
    case "probes_succeeded": return "enough probes succeeded";
    case "probes_failed": return "too many probes failed";
    case "half_open_timed_out": return "the probes came to no verdict in time";
    case "ramped_up": return "the ramp-up was over";
    case "manual": return "by hand";
    default: return "the cause is not known";
  }
}

/** Says why a circuit is not closed: what it opened for, and that its probes failed since. */
function outageText(circuit) {
  const { state, cause, outage } = circuit;
  const began = outage?.cause ? `${causeText(outage.cause, circuit)} ${age(outage.age)} ago` : "";
  // That its time is over is no reason for being half-open that anybody asks for.
  if (!began || state === "ramping_up") return causeText(cause, circuit);
  if (state === "half_open" || !cause) return began;
  const isProbed = ["probes_failed", "half_open_timed_out"].includes(cause.reason);
  return isProbed ? `${began}, then ${causeText(cause)}` : causeText(cause, circuit);
}

function strainText(circuit, strain) {
  const { window } = circuit;
  const calls = judged(circuit);
  const early = calls < circuit.minimum_calls ? `, and is not judged before ${count(circuit.minimum_calls)}` : "";
  if (strain === "failing") {
    return shareText(sum(window, ["failure", "timeout"]), calls, "failed", circuit.failure_threshold) + early;
  }
  if (strain === "slow") return shareText(window?.slow ?? 0, calls, "were slow", circuit.slow_threshold) + early;
  const refused = sum(window, REFUSED_FOR_PLACE);
  return `${numbered(refused, "call")} refused for want of a place in ${roundDuration(circuit.window_length)}`;
}

/** Says what a circuit does and why, without an end, as the time of the next probe may follow. */
function whyText(circuit, kind, strain) {
  const cause = outageText(circuit);
  switch (kind) {
    case "forced_open": return "Forced open: refuses all calls until it is released";
    case "forced_closed": return "Forced closed: admits all calls and judges none until it is released";
    case "dry_run_open": return `Dry run: would be ${words(circuit.state)}, as ${cause}; ${wouldReject(circuit)}`;
    case "dry_run": return `Dry run: refuses no call; ${wouldReject(circuit)}`;
    case "open": return `Open: ${cause}`;
    case "half_open": return `Half-open: ${cause}; probes decide`;
    case "ramping_up": return `Ramping up: ${cause}; a growing share of the calls is admitted`;
    case "strained": return `Closed: ${strainText(circuit, strain)}`;
    default: return "Closed: admits all calls";
  }
}

const wouldReject = (circuit) => `would have refused ${numbered(circuit.window?.would_reject ?? 0, "call")}`;

/** Says for how long. From one failed probe to the next little time passes; what lasts is the outage. */
function sinceText({ mode, since, outage }, kind) {
  const isOut = (kind === "open" || kind === "half_open") && outage && outage.cause?.reason !== "manual";
  const long = isOut ? `sick for ${age(outage.age)}` : isNumber(since) ? `for ${age(since)}` : "";
  // Of a mode nobody tells the age.
  return [kind === "strained" ? "strained" : "", mode === "automatic" ? long : ""].filter(Boolean).join(", ");
}

/** Says what callers get meanwhile. */
function callersText({ fallback }, kind, strain) {
  const refused = fallback ? "get the fallback" : "are refused at once";
  switch (kind) {
    case "forced_open":
    case "open": return `Callers ${refused}.`;
    case "half_open": return `Callers beyond the probes ${refused}.`;
    case "ramping_up": return `The other callers ${refused}.`;
    default:
      if (strain === "full") return `Callers beyond the limit ${refused}.`;
      return fallback ? "Callers get the fallback where a call fails." : "Callers get the failures.";
  }
}

// ---- The past two minutes ----

const SAMPLES = 120;

/** The samples of one circuit: a ring in which each place knows whose it is, so that nothing is ever cleared. */
class Series {
  #stamps = new Float64Array(SAMPLES).fill(-1);
  #calls = new Float64Array(SAMPLES);
  #bad = new Float64Array(SAMPLES);

  put(sample, calls, bad) {
    const place = sample % SAMPLES;
    this.#stamps[place] = sample;
    this.#calls[place] = calls;
    this.#bad[place] = bad;
  }

  has(sample) {
    return this.#stamps[sample % SAMPLES] === sample;
  }

  calls = (sample) => (this.has(sample) ? this.#calls[sample % SAMPLES] : NaN);
  bad = (sample) => (this.has(sample) ? this.#bad[sample % SAMPLES] : NaN);
}

/** Draws a series into an SVG of one unit a sample, and tells it in words. Returns the highest number. */
function drawSeries(fields, series, newest) {
  const oldest = Math.max(0, newest - SAMPLES + 1);
  let highest = [0, 0];
  let last = [NaN, NaN];
  for (let sample = oldest; sample <= newest; sample++) {
    if (!series.has(sample)) continue;
    last = [series.calls(sample), series.bad(sample)];
    highest = highest.map((most, line) => Math.max(most, last[line]));
  }
  const top = Math.max(...highest, 1);
  const [calls, bad] = fields.lines;
  fields.attribute(calls, "d", areaPath(series.calls, oldest, newest, top));
  fields.attribute(bad, "d", highest[1] > 0 ? areaPath(series.bad, oldest, newest, top) : "");
  const said = (line) => `now ${count(last[line])} a second, at most ${count(highest[line])}`;
  const label = `The last two minutes: judged calls ${said(0)}; failed or refused ${said(1)}`;
  fields.attribute(fields.spark, "aria-label", label);
  return Math.max(...highest);
}

/** Returns the path of the area below a line of steps, 24 units high, with gaps where samples are missing. */
function areaPath(line, oldest, newest, top) {
  let path = "";
  let isDrawing = false;
  for (let sample = oldest; sample <= newest; sample++) {
    const value = line(sample);
    const x = SAMPLES - (newest - sample);
    if (Number.isNaN(value)) {
      if (isDrawing) path += "V24Z";
      isDrawing = false;
      continue;
    }
    if (!isDrawing) path += `M${x - 1} 24`;
    path += `V${Math.round(240 - (240 * value) / top) / 10}H${x}`;
    isDrawing = true;
  }
  return isDrawing ? `${path}V24Z` : path;
}

// ---- The model ----

/** A circuit as the server told of it last. */
class Circuit {
  /** What strains it, if it does not refuse calls. */
  strain = null;
  kind = null;
  series = new Series();
  told = null;
  /** When its open time is over, by the page's clock. */
  deadline = null;

  constructor(name) {
    this.name = name;
    this.lowerCaseName = name.toLowerCase();
  }

  /** Takes the newest numbers. Returns the kind before, if it is another one now. */
  take(told, now) {
    const before = this.kind;
    this.told = told;
    this.strain = strainOf(told, this.strain !== null);
    this.kind = kindOf(told, this.strain);
    const isCounting = this.kind === "open" && isNumber(told.remaining_open);
    this.deadline = isCounting ? now + told.remaining_open * 1_000 : null;
    return before !== this.kind ? before : undefined;
  }

  get severity() {
    return KINDS[this.kind].severity;
  }

  /** Returns what it is sorted by before its name; in steps, so that rows do not dance. */
  get weight() {
    const tenths = this.severity > 0 ? Math.floor((this.told.failure_rate ?? 0) * 10) : 0;
    return this.severity * 100 + tenths;
  }

  /** Returns whether it belongs to a group that a button shows. Groups overlap. */
  isIn(group) {
    switch (group) {
      case "all": return true;
      case "open": return this.kind === "open" || this.kind === "forced_open";
      case "half_open":
      case "ramping_up":
      case "strained": return this.kind === group;
      case "forced": return this.kind === "forced_open" || this.kind === "forced_closed";
      case "dry_run": return this.told.mode === "dry_run";
      default: return this.severity < KINDS.dry_run_open.severity;
    }
  }
}

// ---- What shows a circuit ----

/** The fields of an element, by name. They are written only where they change, as most do not. */
class Fields {
  #written = new Map();
  #nodes = new Map();

  constructor(root) {
    for (const element of root.querySelectorAll("[data-field]")) {
      const isText = !(element instanceof SVGElement);
      const node = isText ? element.appendChild(document.createTextNode("")) : element;
      this.#nodes.set(element.dataset.field, node);
    }
    this.spark = this.element("spark");
    this.lines = [...this.spark.querySelectorAll("path")];
  }

  element(name) {
    const node = this.#nodes.get(name);
    return node.nodeType === Node.TEXT_NODE ? node.parentElement : node;
  }

  text(name, value) {
    const node = this.#nodes.get(name);
    if (this.#written.get(node) === value) return;
    this.#written.set(node, value);
    node.data = value;
  }

  attribute(element, name, value) {
    let written = this.#written.get(element);
    if (!written) this.#written.set(element, (written = {}));
    if (written[name] === value) return;
    written[name] = value;
    element.setAttribute(name, value);
  }
}

/** Shows the state of a circuit, and the sentence about it. */
function showState(fields, root, circuit) {
  const { told, kind, strain } = circuit;
  const { word, shape } = KINDS[kind];
  fields.attribute(root, "data-state", told.state);
  fields.attribute(root, "data-mode", told.mode);
  fields.attribute(root, "data-kind", kind);
  fields.attribute(fields.element("shape"), "d", shape);
  fields.text("state", word);
  // It is the state's age; that of an order is not told.
  fields.text("since", sinceText(told, kind));
  fields.text("why", whyText(told, kind, strain));
  fields.text("callers", callersText(told, kind, strain));
}

/** Shows when a circuit will probe, which needs no news of it. */
function showRemaining(fields, circuit, now) {
  if (circuit.deadline === null) {
    fields.text("then", "");
    fields.text("remaining", "");
    return;
  }
  const seconds = (circuit.deadline - now) / 1_000;
  const remaining = seconds < 60 ? `${Math.max(0, seconds).toFixed(1)} s` : duration(seconds);
  fields.text("then", "; ");
  fields.text("remaining", seconds > 0 ? `probes in ${remaining}` : "probes with the next call");
}

/** A circuit's row, which costs nothing while it is out of view. */
class Row {
  isInView = false;
  #drawn = -1;

  constructor(circuit) {
    this.circuit = circuit;
    this.element = document.getElementById("row").content.firstElementChild.cloneNode(true);
    this.element.setAttribute("data-circuit", circuit.name);
    this.button = this.element.querySelector("button");
    this.button.setAttribute("aria-label", `Details of ${circuit.name}`);
    const shown = this.button.firstElementChild;
    shown.title = circuit.name;
    shown.append(...breakable(circuit.name));
    this.fields = new Fields(this.element);
    this.meter = [...this.element.querySelectorAll(".rate rect")];
    this.mix = [...this.fields.element("mix").children];
  }

  show(now, newest) {
    const { fields, circuit } = this;
    const { told } = circuit;
    showState(fields, this.element, circuit);
    showRemaining(fields, circuit, now);
    const limit = isNumber(told.failure_threshold) ? ` / ${plainPercent(told.failure_threshold)}` : "";
    fields.text("rate", percent(told.failure_rate) + limit);
    fields.text("cps", frequency(told.calls_per_second));
    for (const percentile of ["p50", "p90", "p99", "p99_5"]) {
      fields.text(percentile, duration(told.latency?.[percentile]));
    }
    fields.text("in_flight", `${count(told.in_flight)} / ${isNumber(told.limit) ? count(told.limit) : "∞"}`);
    fields.text("queue", told.queue ? `${count(told.queued)} / ${count(told.queue)}` : ABSENT);
    this.#showMeter(told);
    this.#showMix(told.window);
    this.#showSeries(newest);
  }

  #showMeter({ failure_rate, failure_threshold }) {
    const [, fill, tick] = this.meter;
    this.fields.attribute(fill, "width", Math.round((failure_rate ?? 0) * 100));
    const limit = isNumber(failure_threshold) ? Math.min(98.5, Math.round(failure_threshold * 100)) : -2;
    this.fields.attribute(tick, "x", limit);
  }

  #showMix(window) {
    const counts = OUTCOMES.map(([, , kinds]) => sum(window, kinds));
    const total = counts.reduce((total, part) => total + part, 0);
    let x = 0;
    counts.forEach((part, index) => {
      // What is there at all is seen.
      const width = part > 0 ? Math.max(2, Math.round((100 * part) / total)) : 0;
      this.fields.attribute(this.mix[index], "x", x);
      this.fields.attribute(this.mix[index], "width", width);
      x += width;
    });
    const said = counts.map((part, index) => (part > 0 ? `${count(part)} ${OUTCOMES[index][1]}` : ""));
    const label = said.filter(Boolean).join(", ") || "no calls";
    const mix = this.fields.element("mix");
    this.fields.attribute(mix, "viewBox", `0 0 ${Math.max(100, x)} 8`);
    this.fields.attribute(mix, "aria-label", label);
    this.fields.attribute(mix.parentElement, "title", label);
  }

  #showSeries(newest) {
    if (this.#drawn === newest) return;
    this.#drawn = newest;
    drawSeries(this.fields, this.circuit.series, newest);
  }

  /** Has the sparkline drawn anew although no sample came: older ones did. */
  redraw() {
    this.#drawn = -1;
  }
}

// ---- The page as a whole ----

const byId = (id) => document.getElementById(id);

/** Where the page is mounted, with or without a slash at its end. The origin first: a path may begin with two. */
const base = location.origin + location.pathname.replace(/\/?$/, "/");

function make(tag, text, className = "") {
  const element = document.createElement(tag);
  if (text !== undefined) element.textContent = text;
  if (className) element.className = className;
  return element;
}

/** Returns a name as nodes that may be broken behind its punctuation, where its place is narrow. */
const breakable = (name) => name.split(/(?<=[.:_/-])/).flatMap((part) => [part, make("wbr")]);

/** What the address says behind its `#`: `q` and `state` filter, `name` opens details. */
const address = {
  read: () => new URLSearchParams(location.hash.slice(1)),

  /** Returns the address with some parameters changed; empty ones are left out. */
  with(changes) {
    const parameters = address.read();
    for (const [key, value] of Object.entries(changes)) {
      if (value) parameters.set(key, value);
      else parameters.delete(key);
    }
    return location.href.replace(/#.*/, "") + (parameters.size > 0 ? `#${parameters}` : "");
  },

  replace(changes) {
    history.replaceState(history.state, "", address.with(changes));
  },
};

/** Tells screen readers which circuits changed: now and then, and not all of many. */
const changes = {
  SILENCE: 5_000,
  MOST: 3,
  toldAt: -Infinity,
  waiting: new Map(),

  note({ name, kind }) {
    changes.waiting.set(name, KINDS[kind].word.toLowerCase() + (kind === "strained" ? ", but strained" : ""));
  },

  tell(now) {
    if (changes.waiting.size === 0 || now - changes.toldAt < changes.SILENCE) return;
    const said = [...changes.waiting].slice(0, changes.MOST).map(([name, word]) => `${name.slice(0, 60)}: ${word}.`);
    const rest = changes.waiting.size - said.length;
    byId("changes").textContent = said.join(" ") + (rest > 0 ? ` And ${rest} more changed.` : "");
    changes.waiting.clear();
    changes.toldAt = now;
  },
};

/** The rows: which there are, in which order, and which are hidden. */
class Board {
  /** How long an order stands at least, and how long a resting pointer or focus keeps it. */
  static REORDER_MS = 3_000;
  static AT_REST_MS = 5_000;
  /** So many rows are laid out although they are out of view, for paper and pictures of the whole page. */
  static FEW = 50;

  rows = new Map();
  newest = -1;
  group = "all";
  words = [];
  #list = byId("circuits");
  #isDisordered = false;
  #orderedAt = -Infinity;
  #usedAt = -Infinity;
  #rowOf = new WeakMap();
  #calm = matchMedia("(prefers-reduced-motion: reduce)");
  #view = new IntersectionObserver((entries) => this.#viewChanged(entries), { rootMargin: "200px" });
  #turn = 0;
  #unlisted = 0;

  constructor() {
    const used = () => (this.#usedAt = performance.now());
    for (const kind of ["pointermove", "focusin", "keydown"]) {
      this.#list.addEventListener(kind, used, { passive: true });
    }
    this.#list.addEventListener("click", (event) => this.#clicked(event));
    byId("resort").addEventListener("click", () => this.order(performance.now()));
  }

  /** Takes a message. Returns whether samples before it are missing. */
  take(state, now) {
    const isRestarted = state.sample < this.newest;
    if (isRestarted) for (const { circuit } of this.rows.values()) circuit.series = new Series();
    const isMissing = this.newest < 0 || isRestarted || state.sample > this.newest + 1;
    this.newest = state.sample;
    this.#turn += 1;
    for (const told of state.circuits) this.#takeOne(told, now);
    for (const row of this.rows.values()) if (row.turn !== this.#turn) this.#remove(row);
    this.#unlisted = state.unlisted ?? 0;
    this.#list.classList.toggle("many", this.rows.size > Board.FEW);
    if (this.#orderedAt === -Infinity) this.order(now);
    this.#showRest();
    return isMissing;
  }

  #takeOne(told, now) {
    const row = this.rows.get(told.name) ?? this.#add(told.name);
    row.turn = this.#turn;
    const before = row.circuit.take(told, now);
    // A circuit that is younger than the sample has none.
    if (isNumber(told.calls)) row.circuit.series.put(this.newest, told.calls, told.bad);
    if (row.weight !== row.circuit.weight) {
      row.weight = row.circuit.weight;
      this.#isDisordered = true;
    }
    if (before) changes.note(row.circuit);
    // A change is shown out of view too, for whoever searches the page.
    if (before !== undefined) this.#filterOne(row);
    if (before !== undefined || row.isInView) row.show(now, this.newest);
  }

  #add(name) {
    const row = new Row(new Circuit(name));
    this.rows.set(name, row);
    this.#rowOf.set(row.element, row);
    this.#list.append(row.element);
    this.#view.observe(row.element);
    return row;
  }

  #remove(row) {
    this.#view.unobserve(row.element);
    row.element.remove();
    this.rows.delete(row.circuit.name);
  }

  inView() {
    return [...this.rows.values()].filter((row) => row.isInView);
  }

  #viewChanged(entries) {
    const now = link.time();
    for (const { target, isIntersecting } of entries) {
      const row = this.#rowOf.get(target);
      row.isInView = isIntersecting;
      if (isIntersecting) row.show(now, this.newest);
    }
    countdown.begin();
  }

  #clicked({ target }) {
    const row = this.#rowOf.get(target.closest(".circuit"));
    const isSelecting = !getSelection().isCollapsed && !target.closest("button");
    if (row && !isSelecting) details.open(row.circuit.name);
  }

  /** Takes what the history tells of the time before the page was opened. */
  takeHistory({ sample, circuits }) {
    for (const [name, { calls, bad }] of Object.entries(circuits)) {
      const row = this.rows.get(name);
      const oldest = sample - calls.length + 1;
      calls.forEach((number, index) => {
        const isPast = oldest + index >= 0 && oldest + index <= this.newest;
        if (isPast) row?.circuit.series.put(oldest + index, number, bad[index]);
      });
      row?.redraw();
      if (row?.isInView) row.show(link.time(), this.newest);
    }
  }

  /** Sorts, if it is time and nobody points at a row. */
  orderIfDue(now) {
    const isInUse = now - this.#usedAt < Board.AT_REST_MS;
    const isHeld = isInUse && (this.#list.matches(":hover") || this.#list.contains(document.activeElement));
    byId("resort").hidden = !(this.#isDisordered && isHeld);
    if (this.#isDisordered && !isHeld && now - this.#orderedAt >= Board.REORDER_MS) this.order(now);
  }

  order(now) {
    this.#orderedAt = now;
    this.#isDisordered = false;
    byId("resort").hidden = true;
    const focused = document.activeElement;
    const moving = this.#calm.matches ? [] : this.inView();
    const before = moving.map((row) => row.element.getBoundingClientRect().top);
    const byName = (a, b) => (a.circuit.name < b.circuit.name ? -1 : 1);
    const order = [...this.rows.values()].sort((a, b) => b.weight - a.weight || byName(a, b));
    this.rows = new Map(order.map((row) => [row.circuit.name, row]));
    let place = this.#list.firstElementChild;
    for (const { element } of order) {
      if (element === place) place = place.nextElementSibling;
      else this.#list.insertBefore(element, place);
    }
    if (this.#list.contains(focused)) focused.focus({ preventScroll: true });
    moving.forEach(({ element }, index) => {
      const way = before[index] - element.getBoundingClientRect().top;
      if (way === 0 || Math.abs(way) > innerHeight) return;
      const steps = [{ transform: `translateY(${way}px)` }, { transform: "none" }];
      element.animate(steps, { duration: 250, easing: "ease-out" });
    });
  }

  /** Shows only the circuits of a group whose names contain all words. */
  filter(group, text) {
    this.group = group;
    this.words = text.toLowerCase().split(/\s+/).filter(Boolean);
    for (const row of this.rows.values()) this.#filterOne(row);
    if (this.newest >= 0) this.#showRest();
  }

  #filterOne({ circuit, element }) {
    const isNamed = this.words.every((word) => circuit.lowerCaseName.includes(word));
    element.hidden = !(isNamed && circuit.isIn(this.group));
  }

  /** Says what there is instead of rows, and besides them. */
  #showRest() {
    const isEmpty = this.rows.size === 0;
    byId("empty").hidden = !isEmpty;
    byId("no-match").hidden = isEmpty || [...this.rows.values()].some(({ element }) => !element.hidden);
    byId("unlisted").hidden = !this.#unlisted;
    const more = numbered(this.#unlisted, "more circuit is", "more circuits are");
    byId("unlisted").textContent = `${more} not listed: these are the ${count(this.rows.size)} worst.`;
  }

  /** Moves the focus to another row that is shown. */
  step(by) {
    const shown = [...this.rows.values()].filter(({ element }) => !element.hidden);
    const from = shown.findIndex(({ button }) => button === document.activeElement);
    const to = from < 0 ? 0 : Math.min(shown.length - 1, Math.max(0, from + by));
    shown[to]?.button.focus();
  }
}

/** Counts down the open times that are in view between messages, with a timer only while there are any. */
const countdown = {
  PERIOD: 100,
  timer: null,

  begin() {
    countdown.timer ??= setInterval(countdown.tick, countdown.PERIOD);
  },

  tick() {
    const now = link.time();
    const counting = board.inView().filter(({ circuit }) => circuit.deadline !== null);
    for (const { fields, circuit } of counting) showRemaining(fields, circuit, now);
    const isDetailed = details.countDown(now);
    if (!document.hidden && (counting.length > 0 || isDetailed)) return;
    clearInterval(countdown.timer);
    countdown.timer = null;
  },
};

/** The buttons that count the circuits of each group and filter by it. */
class Summary {
  static GROUPS = {
    open: "open",
    half_open: "half-open",
    ramping_up: "ramping up",
    strained: "strained",
    closed: "closed",
    forced: "forced",
    dry_run: "dry run",
  };
  /** Those that mean trouble, worst first. */
  static TROUBLE = ["open", "half_open", "ramping_up", "strained"];
  /** Buttons that are there only if they count something. */
  static RARE = ["forced", "dry_run"];

  #buttons = [...document.querySelectorAll("#summary [data-state]")];
  #icon = document.querySelector("link[rel=icon]");
  #counts = {};

  constructor(choose) {
    for (const button of this.#buttons) {
      const group = button.dataset.state;
      button.addEventListener("click", () => choose(group === board.group ? "all" : group));
    }
  }

  show() {
    const circuits = [...board.rows.values()].map((row) => row.circuit);
    for (const button of this.#buttons) {
      const group = button.dataset.state;
      const number = circuits.filter((circuit) => circuit.isIn(group)).length;
      this.#counts[group] = number;
      const text = group === "all" ? numbered(number, "circuit") : `${count(number)} ${Summary.GROUPS[group]}`;
      put(button, text);
      button.hidden = Summary.RARE.includes(group) && number === 0 && board.group !== group;
      button.classList.toggle("zero", number === 0);
      button.setAttribute("aria-pressed", String(board.group === group));
    }
    this.showTitle();
  }

  showTitle() {
    const worst = Summary.TROUBLE.find((group) => this.#counts[group] > 0);
    const trouble = worst && `${this.#counts[worst]} ${Summary.GROUPS[worst]}`;
    const warnings = [link.isStale() ? "stale" : "", trouble].filter(Boolean).join(", ");
    const title = warnings ? `(${warnings}) portcullis` : "portcullis";
    if (document.title === title) return;
    document.title = title;
    const colour = { open: "%23c8102e", half_open: "%23b25e00" }[worst] ?? "%233d7a5a";
    const shape = worst === "open" ? OCTAGON : DIAMOND;
    const path = `<path fill="${colour}" d="${shape}"/>`;
    this.#icon.href = `data:image/svg+xml,<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16">${path}</svg>`;
  }
}

/** The connection to the server: opened anew when it ends, watched for silence, closed while nobody looks. */
class Link {
  static RETRY_MS = 1_000;
  static RETRY_MOST_MS = 10_000;
  /** After this many intervals without news the numbers are stale. */
  static PATIENCE = 3;
  /** A connection that is silent for this long is given up, though nobody closed it. */
  static SILENCE_MS = 10_000;
  /** How often the history is asked for at most, where samples were missed. */
  static HISTORY_MS = 10_000;

  #pausedAt = null;
  #source = null;
  #failures = 0;
  #retryAt = null;
  #openedAt = 0;
  /** Since when somebody looks: what was not to be shown is not late. */
  #lookedAt = 0;
  #intervalMs = 1_000;
  #newsAt = null;
  #newsTime = null;
  #shownTime = null;
  /** The newest message while the display is paused. */
  #held = null;
  #isHistoryMissing = false;
  #historyAt = -Infinity;

  /** Connects for somebody who begins to look. */
  begin() {
    this.#lookedAt = performance.now();
    this.#historyAt = -Infinity;
    this.#failures = 0;
    this.#open();
  }

  #open() {
    this.close();
    this.#openedAt = performance.now();
    this.#source = new EventSource(`${base}stream`);
    this.#source.onmessage = ({ data }) => this.#take(JSON.parse(data));
    // It would try again by itself, but not after an answer such as 503.
    this.#source.onerror = () => this.#fail();
    this.show();
  }

  close() {
    this.#source?.close();
    this.#source = null;
    this.#retryAt = null;
  }

  #fail() {
    this.close();
    const longest = Math.min(1.5 * Link.RETRY_MS * 2 ** this.#failures, Link.RETRY_MOST_MS);
    this.#failures += 1;
    // A third by chance, so that pages that lost one server do not come back as one.
    this.#retryAt = performance.now() + longest * (1 - Math.random() / 3);
    this.show();
  }

  #take(state) {
    this.#failures = 0;
    this.#newsAt = performance.now();
    this.#newsTime = new Date();
    this.#intervalMs = state.interval * 1_000;
    if (this.isPaused) this.#held = [state, this.#newsAt];
    else this.#display(state, this.#newsAt);
  }

  #display(state, now) {
    byId("waiting").hidden = true;
    this.#held = null;
    this.#shownTime = this.#newsTime;
    this.#isHistoryMissing = board.take(state, now) || this.#isHistoryMissing;
    details.show();
    summary.show();
    countdown.begin();
    this.show();
    this.#fetchHistory(now);
  }

  get isPaused() {
    return this.#pausedAt !== null;
  }

  pause(isPaused) {
    this.#pausedAt = isPaused ? performance.now() : null;
    byId("pause").textContent = isPaused ? "Resume" : "Pause";
    if (!isPaused && this.#held) this.#display(...this.#held);
    this.show();
  }

  async #fetchHistory(now) {
    if (!this.#isHistoryMissing || now - this.#historyAt < Link.HISTORY_MS) return;
    this.#isHistoryMissing = false;
    this.#historyAt = now;
    try {
      const answer = await fetch(`${base}history`, { cache: "no-store" });
      if (!answer.ok) throw new Error(answer.statusText);
      board.takeHistory(await answer.json());
      details.show();
    } catch {
      this.#isHistoryMissing = true;
    }
  }

  get #staleAt() {
    const since = Math.max(this.#newsAt, this.#lookedAt);
    return this.#newsAt === null ? Infinity : since + Link.PATIENCE * this.#intervalMs;
  }

  isStale() {
    return performance.now() > this.#staleAt;
  }

  /** Returns the time of what is shown, which stands still while that is paused or stale. */
  time() {
    return Math.min(performance.now(), this.#pausedAt ?? Infinity, this.#staleAt);
  }

  /** Looks after the connection, a few times a second. */
  watch(now) {
    const patience = Math.max(Link.SILENCE_MS, 2 * Link.PATIENCE * this.#intervalMs);
    const heardAt = Math.max(this.#newsAt, this.#openedAt);
    if (this.#retryAt !== null && now >= this.#retryAt) this.#open();
    else if (this.#source && this.#newsAt !== null && now - heardAt > patience) this.#fail();
    this.show();
  }

  show() {
    const now = performance.now();
    const isStale = this.isStale();
    const state = this.#state(isStale);
    const said = [isStale && state !== "stale" ? "stale" : "", this.isPaused && state === "live" ? "" : state];
    put(byId("connection"), [this.isPaused ? "paused" : "", ...said].filter(Boolean).join(", "));
    put(byId("age"), this.#ageText(now, state));
    document.body.dataset.connection = isStale ? "stale" : this.isPaused ? "paused" : state;
    const silence = isStale ? `Stale: no news for ${age((now - this.#newsAt) / 1_000)}. ` : "";
    const time = this.#shownTime?.toLocaleTimeString("en-GB");
    const warning = isStale ? "; circuits may have changed since" : "";
    // The details have one too: they cover the page.
    for (const banner of document.querySelectorAll(".banner")) {
      banner.hidden = !isStale && !this.isPaused;
      put(banner, `${silence || "Paused. "}All numbers are of ${time ?? "no time yet"}${warning}.`);
    }
  }

  #state(isStale) {
    if (this.#retryAt !== null) return "reconnecting";
    if (this.#newsAt === null) return "connecting";
    return isStale ? "stale" : "live";
  }

  #ageText(now, state) {
    if (state === "reconnecting") return `next try in ${age((this.#retryAt - now) / 1_000 + 1)}`;
    if (state === "live" && !this.isPaused) return `every ${short(this.#intervalMs / 1_000)} s`;
    const isSilent = state === "connecting" && now - this.#openedAt > Link.SILENCE_MS;
    return isSilent ? "no message yet; does a proxy hold the stream back?" : "";
  }
}

/** Writes a text if it is another one: what is written alike is announced again by some screen readers. */
function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// ---- The details of one circuit ----

const TALLY = {
  success: "Succeeded",
  failure: "Failed",
  timeout: "Timed out",
  slow: "Slow, whatever their outcome",
  ignored: "Ignored",
  cancelled: "Cancelled by the caller",
  circuit_open: "Refused: circuit open",
  circuit_forced_open: "Refused: circuit forced open",
  half_open_full: "Refused: all probes under way",
  ramping_up: "Refused: ramping up",
  not_ready: "Refused: service not ready",
  bulkhead_full: "Refused: bulkhead full",
  wait_timed_out: "Refused: waited too long",
  other_rejection: "Refused: another reason",
  would_reject: "Let through by the dry run",
  fallback_success: "Fallback answered",
  fallback_failure: "Fallback failed",
  fallback_rejected: "Fallback refused by its limit",
};

const UNLIMITED = 4_294_967_295;
const limitText = (limit) => (limit === UNLIMITED ? "none" : count(limit));

/** Tells an event in a sentence. */
function eventText(event) {
  switch (event.kind) {
    case "transition": {
      const to = KINDS[event.to]?.word ?? words(event.to);
      const long = isNumber(event.open_for) ? ` For ${roundDuration(event.open_for)}.` : "";
      return `${to}: ${causeText(event.cause)}.${long}`;
    }
    case "mode": return `Mode: ${words(event.to)}, was ${words(event.from)}.`;
    case "limit": return `Limit of calls in flight: ${limitText(event.to)}, was ${limitText(event.from)}.`;
    case "settings": return `${numbered(event.changed, "setting")} changed.`;
    case "ordered": return `${event.actor} ordered: ${words(event.order)}.`;
    case "added": return "Registered.";
    case "removed": return "Removed.";
    default: return `${words(event.kind)}.`;
  }
}

/** How many bars the histogram has for each power of ten: more would be hairs. */
const BINS = 12;

/** Adds up buckets into equal steps of the logarithm. */
function logBins(buckets) {
  const bins = new Map();
  for (const { up_to, count } of buckets) {
    const bin = Math.ceil(Math.log10(Math.max(up_to, 1e-9)) * BINS - 1e-6);
    bins.set(bin, (bins.get(bin) ?? 0) + count);
  }
  return bins;
}

function latencyText(buckets, { min, max, mean, p50, p90, p99, p99_5 }) {
  const calls = buckets.reduce((total, bucket) => total + bucket.count, 0);
  if (calls === 0) return "No call was measured within the window.";
  const parts = [[p50, "half"], [p90, "90 %"], [p99, "99 %"], [p99_5, "99.5 %"]];
  const within = parts.map(([seconds, share]) => `${share} within ${duration(seconds)}`).join(", ");
  const range = `${numbered(calls, "call")} from ${duration(min)} to ${duration(max)}`;
  return `${range}, ${duration(mean)} on average: ${within}.`;
}

/** The dialog with all there is to know about one circuit. */
class Details {
  static REFRESH_MS = 2_000;
  static MOST_EVENTS = 200;

  #dialog = byId("details");
  #fields = new Fields(this.#dialog);
  #name = null;
  #kind = null;
  #timer = null;
  #asked = 0;
  #made = new Map();

  constructor() {
    this.#dialog.querySelector(".close").addEventListener("click", () => this.#dialog.close());
    this.#dialog.addEventListener("close", () => this.#closed());
  }

  get name() {
    return this.#name;
  }

  /** Opens them as a step that the browser's back button takes back. */
  open(name) {
    history.pushState({ isStep: true }, "", address.with({ name }));
    this.follow();
  }

  /** Opens and closes them as the address says. */
  follow() {
    const name = address.read().get("name");
    if (name === this.#name) return;
    if (name === null) {
      this.#dialog.close();
      return;
    }
    this.#name = name;
    this.#kind = null;
    this.#made.clear();
    for (const filled of this.#dialog.querySelectorAll("tbody, ol, .decades")) filled.replaceChildren();
    this.#dialog.querySelector("h2 bdi").replaceChildren(...breakable(name));
    this.#notice("");
    this.#dialog.classList.remove("unknown");
    if (!this.#dialog.open) this.#dialog.showModal();
    this.#dialog.scrollTop = 0;
    byId("details-name").focus();
    control.choose(name);
    this.show();
    this.refresh();
  }

  #closed() {
    const name = this.#name;
    this.#name = null;
    this.#asked += 1;
    clearTimeout(this.#timer);
    board.rows.get(name)?.button.focus({ preventScroll: true });
    if (!address.read().has("name")) return;
    if (history.state?.isStep) history.back();
    else address.replace({ name: "" });
  }

  /** Shows what the stream tells, if it tells of the circuit. */
  show() {
    const circuit = board.rows.get(this.#name)?.circuit;
    this.#dialog.classList.toggle("unlisted", !circuit);
    if (!circuit) return;
    showState(this.#fields, this.#dialog, circuit);
    showRemaining(this.#fields, circuit, link.time());
    this.#fields.text("peak", count(drawSeries(this.#fields, circuit.series, board.newest)));
    if (circuit.kind !== this.#kind && this.#kind !== null) this.refresh();
    this.#kind = circuit.kind;
  }

  countDown(now) {
    const circuit = board.rows.get(this.#name)?.circuit;
    const isCounting = Boolean(circuit?.deadline);
    if (isCounting) showRemaining(this.#fields, circuit, now);
    return isCounting;
  }

  /** Asks the server for what the stream does not tell, now and every few seconds. */
  async refresh() {
    clearTimeout(this.#timer);
    if (this.#name === null) return;
    const asked = (this.#asked += 1);
    const isWanted = () => asked === this.#asked;
    const query = `${base}circuit?name=${encodeURIComponent(this.#name)}`;
    const answer = await fetch(query, { cache: "no-store" }).catch(() => null);
    const told = await (answer?.ok ? answer.json().catch(() => null) : null);
    if (!isWanted()) return;
    this.#timer = setTimeout(() => this.#refreshIfLive(), Details.REFRESH_MS);
    const isGone = answer?.status === 404;
    this.#dialog.classList.toggle("unknown", isGone);
    if (told) this.#take(told);
    else this.#notice(isGone ? "There is no circuit of this name." : "The server does not answer; it is asked again.");
  }

  #refreshIfLive() {
    if (link.isPaused || document.hidden) this.#timer = setTimeout(() => this.#refreshIfLive(), Details.REFRESH_MS);
    else this.refresh();
  }

  #notice(text) {
    const notice = this.#fields.element("notice");
    notice.hidden = !text;
    this.#fields.text("notice", text);
  }

  #take({ snapshot, settings, events, histogram, diagram }) {
    const isListed = board.newest < 0 || board.rows.has(this.#name);
    this.#notice(isListed ? "" : "The stream does not list this circuit, as others are worse; it is asked for instead.");
    this.#showOutcomes(snapshot);
    this.#showEvents(events);
    this.#showMarks(events);
    this.#showHistogram(histogram, snapshot.latency);
    this.#showSettings(settings);
    this.#fields.text("diagram", diagram ?? "");
    control.offer(settings);
  }

  /** Fills a part of the dialog if it changed, so that what is selected or read in it stays. */
  #fill(selector, content, build) {
    const key = JSON.stringify(content);
    if (this.#made.get(selector) === key) return;
    this.#made.set(selector, key);
    this.#dialog.querySelector(selector).replaceChildren(...content.map(build));
  }

  #showOutcomes({ window, lifetime, window_length }) {
    this.#fields.text("window_length", `Last ${roundDuration(window_length)}`);
    const isShown = (kind) => ["success", "failure", "timeout"].includes(kind) || lifetime[kind] > 0;
    const kinds = Object.keys(TALLY).filter(isShown);
    const rows = kinds.map((kind) => [kind, window[kind] ?? 0, lifetime[kind] ?? 0]);
    this.#fill("[data-section=outcomes] tbody", rows, ([kind, ...counts]) => {
      const row = make("tr");
      const title = make("th", TALLY[kind]);
      title.scope = "row";
      row.append(title, ...counts.map((number) => make("td", number.toLocaleString("en"), "number")));
      return row;
    });
  }

  #showEvents(events) {
    const newest = events.slice(-Details.MOST_EVENTS).reverse();
    const rows = newest.map((event) => [`${age(event.age)} ago`, eventText(event), event.to ?? ""]);
    this.#fill("[data-section=events] ol", rows, ([when, what, to]) => {
      const item = make("li");
      item.dataset.to = to;
      item.append(make("span", when, "when"), " ", make("bdi", what));
      return item;
    });
  }

  /** Marks when the circuit opened; again after its probes, as every few seconds in an outage, is no mark. */
  #showMarks(events) {
    const opened = events.filter(({ from, to, age }) => to === "open" && from !== "half_open" && age < SAMPLES);
    const path = opened.map(({ age }) => `M${(SAMPLES - age).toFixed(1)} 0V24`).join("");
    this.#fields.attribute(this.#fields.lines[2], "d", path);
  }

  #showHistogram(buckets, latency) {
    const [bars, marks] = this.#fields.element("histogram").children;
    const text = latencyText(buckets, latency);
    this.#fields.text("latency", text);
    this.#fields.attribute(this.#fields.element("histogram"), "aria-label", `Histogram of latencies. ${text}`);
    const bins = logBins(buckets);
    const first = Math.floor((Math.min(...bins.keys()) - 1) / BINS);
    const last = Math.max(first + 1, Math.ceil(Math.max(...bins.keys()) / BINS));
    const most = Math.max(...bins.values());
    const at = (decade) => (100 * (decade - first)) / (last - first);
    const width = (at(first + 1) / BINS) * 0.9;
    const paths = [...bins].map(([bin, number]) => {
      const height = Math.max(0.7, (24 * number) / most);
      return `M${at((bin - 1) / BINS).toFixed(2)} 24v${-height.toFixed(2)}h${width.toFixed(2)}V24Z`;
    });
    const marked = bins.size > 0 ? [latency.p50, latency.p99].filter((seconds) => seconds > 0) : [];
    this.#fields.attribute(bars, "d", paths.join(""));
    this.#fields.attribute(marks, "d", marked.map((seconds) => `M${at(Math.log10(seconds)).toFixed(2)} 0V24`).join(""));
    const decades = bins.size > 0 ? Array.from({ length: last - first + 1 }, (_, index) => first + index) : [];
    this.#fill(".decades", decades, (decade) => {
      const label = make("span", roundDuration(10 ** decade));
      label.style.left = `${at(decade)}%`;
      return label;
    });
  }

  #showSettings(settings) {
    const text = (value) => (typeof value === "string" ? value : JSON.stringify(value));
    const rows = settings.map(({ path, value, origin }) => [path, text(value), origin]);
    this.#fill("[data-section=settings] tbody", rows, ([path, value, origin]) => {
      const row = make("tr");
      const title = make("th");
      title.scope = "row";
      const code = make("code");
      code.append(...breakable(path));
      title.append(code);
      row.append(title, make("td", value), make("td", origin));
      if (origin !== "library default") row.className = "told";
      return row;
    });
  }
}

// ---- Control ----

/** Orders to the server, where it has been told of a place for them. The token is kept in this object only. */
class Control {
  /** What is asked before an order that changes what callers get, by order. */
  static QUESTIONS = {
    force_open: "All calls are refused until the circuit is given back to its rules.",
    force_closed: "All calls are admitted, however many fail, until the circuit is given back to its rules.",
    dry_run: "The circuit refuses no call until it is given back to its rules.",
    reset: "The circuit closes and forgets what it has seen: all calls are admitted until they are judged anew.",
    trip: "Calls are refused until the open time is over and the probes succeed.",
  };

  #section = document.querySelector("[data-section=control]");
  #signIn = this.#section.querySelector(".sign-in");
  #orders = this.#section.querySelector(".orders");
  #change = this.#section.querySelector(".change");
  #place;
  #token = null;
  #name = null;

  constructor() {
    const place = document.querySelector("meta[name=portcullis-admin]").content;
    if (!place) return;
    this.#place = new URL(place.replace(/\/?$/, "/"), base).href;
    this.#section.hidden = false;
    this.#section.addEventListener("submit", (event) => {
      event.preventDefault();
      if (event.target === this.#signIn) this.#check();
      else this.#changeSetting();
    });
    this.#orders.addEventListener("click", ({ target }) => {
      if (target.dataset.order) this.#order(target.dataset.order, target.textContent);
    });
  }

  /** Turns to another circuit. */
  choose(name) {
    this.#name = name;
    this.#change.reset();
    this.#answer("");
  }

  /** Offers settings to be changed. */
  offer(settings) {
    const paths = byId("paths");
    const options = settings.map(({ path }) => path);
    if (paths.childElementCount === options.length) return;
    paths.replaceChildren(...options.map((path) => Object.assign(make("option"), { value: path })));
  }

  #answer(text) {
    put(byId("answer"), text);
  }

  async #check() {
    const input = this.#signIn.elements.token;
    this.#token = input.value;
    input.value = "";
    const told = await this.#ask("actor");
    if (!told) return;
    this.#section.querySelector("[data-field=actor]").textContent = told.actor;
    this.#showSignedIn(true);
    this.#answer(`Signed in as ${told.actor}.`);
  }

  #showSignedIn(isSignedIn) {
    if (!isSignedIn) this.#token = null;
    this.#signIn.hidden = isSignedIn;
    this.#orders.hidden = !isSignedIn;
    const next = isSignedIn ? this.#orders.querySelector("button") : this.#signIn.elements.token;
    next.focus();
  }

  async #order(order, title) {
    if (order === "sign_out") {
      this.#showSignedIn(false);
      this.#answer("Signed out.");
      return;
    }
    const consequence = Control.QUESTIONS[order];
    const name = this.#name;
    const isSure = !consequence || (await confirmed(`${title}: ${name}?`, consequence, `Yes, ${title.toLowerCase()}`));
    if (isSure) await this.#send({ name, order });
  }

  async #changeSetting() {
    const { path, value } = this.#change.elements;
    // From the innermost field outwards.
    const fields = path.value.trim().split(".").reverse();
    const settings = fields.reduce((inner, field) => ({ [field]: inner }), this.#valueOf(value.value.trim()));
    await this.#send({ name: this.#name, order: "settings", settings });
  }

  /** Reads a value as JSON, or as a text without quotes, such as 250ms. */
  #valueOf(text) {
    try {
      return JSON.parse(text);
    } catch {
      return text;
    }
  }

  async #send(order) {
    this.#answer("Sent.");
    const told = await this.#ask("order", order);
    if (!told) return;
    const list = (title, fields) => (fields?.length > 0 ? ` ${title}: ${fields.join(", ")}.` : "");
    const kept = list("Kept until the pipeline is built anew", told.kept);
    this.#answer(`Done by ${told.actor}.${list("Changed", told.changed)}${kept}`);
    details.refresh();
  }

  /** Asks the server, and says what went wrong if something did. */
  async #ask(path, order) {
    const headers = { authorization: `Bearer ${this.#token}` };
    const request = { headers, cache: "no-store" };
    if (order) {
      headers["content-type"] = "application/json";
      Object.assign(request, { method: "POST", body: JSON.stringify(order) });
    }
    try {
      const answer = await fetch(this.#place + path, request);
      if (answer.ok) return await answer.json();
      // A proxy says so, and not what became of the order.
      if (answer.status >= 500) throw new Error(answer.statusText);
      if (answer.status === 401) this.#showSignedIn(false);
      const { error } = await answer.json().catch(() => ({}));
      this.#answer(answer.status === 401 ? "The token was refused." : `Refused: ${error ?? answer.status}.`);
    } catch {
      this.#answer("No answer: the order may have been carried out or not.");
    }
    return null;
  }
}

/** Asks before something that callers notice. */
function confirmed(question, consequence, yes) {
  const dialog = byId("confirm");
  byId("question").textContent = question;
  byId("consequence").textContent = consequence;
  dialog.querySelector("[value=yes]").textContent = yes;
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}

// ---- Start ----

const link = new Link();
const board = new Board();
const details = new Details();
const control = new Control();
const summary = new Summary((group) => filter(group, byId("filter").value));

/** Filters, and keeps that in the address, to be shared. */
function filter(group, text) {
  board.filter(group, text);
  summary.show();
  clearTimeout(filter.timer);
  // Browsers allow few changes of the address in a row.
  filter.timer = setTimeout(() => address.replace({ q: text, state: group === "all" ? "" : group }), 300);
}

function followAddress() {
  const parameters = address.read();
  const group = parameters.get("state") ?? "all";
  byId("filter").value = parameters.get("q") ?? "";
  board.filter(Object.hasOwn(Summary.GROUPS, group) ? group : "all", byId("filter").value);
  summary.show();
  details.follow();
}

function pressed(event) {
  const { key, target } = event;
  if (event.ctrlKey || event.metaKey || event.altKey || details.name !== null) return;
  const isTyping = target.matches("input");
  const act = {
    "/": () => byId("filter").focus(),
    p: () => byId("pause").click(),
    ArrowDown: () => board.step(1),
    ArrowUp: () => board.step(-1),
  }[key];
  if (isTyping && key === "Escape") {
    target.value = "";
    filter(board.group, "");
  }
  if (!act || (isTyping && !key.startsWith("Arrow"))) return;
  event.preventDefault();
  act();
}

// As a link it would take the filter out of the address.
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  byId("circuits").focus();
});
byId("filter").addEventListener("input", ({ target }) => filter(board.group, target.value));
byId("show-all").addEventListener("click", () => {
  byId("filter").value = "";
  filter("all", "");
  byId("filter").focus();
});
byId("pause").addEventListener("click", () => link.pause(!link.isPaused));
document.addEventListener("keydown", pressed);
window.addEventListener("popstate", followAddress);
// A hidden page costs the server nothing, and gets what it missed from the history.
document.addEventListener("visibilitychange", () => (document.hidden ? link.close() : link.begin()));
setInterval(() => {
  const now = performance.now();
  if (document.hidden) return;
  link.watch(now);
  summary.showTitle();
  if (!link.isPaused) board.orderIfDue(now);
  changes.tell(now);
}, 500);

followAddress();
if (!document.hidden) link.begin();
})();
