// The page: what is asked for goes to the generator, and what it makes onto the canvases.

import * as ort from "./ort.wasm.bundle.min.mjs";
import { between, draw, walked } from "./latent.js";
import { THUMB, show, size, values } from "./view.js";

ort.env.wasm.numThreads = 1; // more need headers that not every web server sends
ort.env.wasm.wasmPaths = { wasm: new URL("ort-wasm-simd-threaded.wasm", import.meta.url).href };

const OTHERS = 12;
const CLOUD = 500;
const $ = (id) => document.getElementById(id);

let session, told; // the generator that is shown
let z, steps, ends, cloud;
let busy = false; // one pass at a time
const waiting = new Map(); // what was asked for meanwhile, by where it is shown

async function main() {
  const all = await (await fetch("generators.json")).json();
  all.forEach((each, i) => $("generators").add(new Option(each.name, i)));
  $("which").hidden = all.length < 2;
  $("generators").addEventListener("change", () => ask(() => open(all[$("generators").value]), "all"));
  for (const [id, act] of Object.entries({
    draw: () => fresh(), home: () => walk(() => steps.fill(0)), more: () => drawOthers(),
    "keep-a": () => keep("a"), "keep-b": () => keep("b"),
  })) $(id).addEventListener("click", act);
  $("classes").addEventListener("change", () => { ask(sample); drawOthers(); });
  for (const id of ["truncation", "between", "mix"]) $(id).addEventListener("input", () => moved(id));
  await ask(() => open(all[0]), "all");
}

async function open(next) {
  say("Loading the generator …");
  $("main").hidden = true;
  session = await ort.InferenceSession.create(next.file, { executionProviders: ["wasm"] });
  told = next;
  steps = told.directions.map(() => 0);
  z = draw(told);
  document.title = `${told.name} · ganzoo demo`;
  $("name").textContent = told.name;
  options($("classes"), told.classes);
  $("classes-row").hidden = !told.classes.length;
  $("truncation-row").hidden = !("truncation" in told.options);
  $("mix-row").hidden = !told.places;
  $("mix").max = Math.max(1, told.places - 1);
  $("facts").replaceChildren(...told.facts.flatMap(([what, value]) => [element("dt", what), element("dd", value)]));
  $("walks").replaceChildren(...told.directions.map((_, k) => slider(k)));
  cloud = new Float32Array();
  if (told.kind === "vectors") cloud = await made(Array.from({ length: CLOUD }, () => draw(told)));
  const last = Math.max(0, told.classes.length - 1); // of another class, where there are some
  ends = { a: { z: draw(told), y: 0 }, b: { z: draw(told), y: last } };
  for (const end of ["a", "b"]) await showEnd(end);
  await sample();
  drawOthers();
  $("main").hidden = false;
  say("");
}

const label = () => Number($("classes").value || 0);

// Samples of several z, one after the other in one array. `labels` are as many classes.
async function made(several, labels = several.map(label), set = {}) {
  const n = several.length;
  const flat = new Float32Array(n * told.z_dim);
  several.forEach((one, i) => flat.set(one, i * told.z_dim));
  const given = { z: new ort.Tensor("float32", flat, [n, told.z_dim]) };
  if (told.classes.length) given.y = new ort.Tensor("int64", BigInt64Array.from(labels, BigInt), [n]);
  const asked = { ...told.options, truncation: Number($("truncation").value), ...set };
  for (const name of Object.keys(told.options)) {
    given[name] = name === "mix"
      ? new ort.Tensor("int64", BigInt64Array.from([BigInt(asked[name])]), [])
      : new ort.Tensor("float32", Float32Array.from([asked[name]]), []);
  }
  return (await session.run(given)).samples.data;
}

// Passes through the network take turns: of what is asked for the same place meanwhile, the last counts.
async function ask(pass, place = "sample") {
  waiting.set(place, pass);
  if (busy) return;
  busy = true;
  try {
    while (waiting.size) {
      const [[next, run]] = waiting;
      waiting.delete(next);
      await run();
    }
  } catch (error) {
    failed(error);
  } finally {
    busy = false;
  }
}

async function sample() {
  const began = performance.now();
  const x = await made([walked(z, told.directions, steps, told)]);
  present(x, began);
}

async function onTheWay() {
  const began = performance.now();
  const t = Number($("between").value);
  const x = await made([between(ends.a.z, ends.b.z, t)], [t < 0.5 ? ends.a.y : ends.b.y]);
  present(x, began);
}

async function mixed() {
  const began = performance.now();
  const x = await made([ends.a.z, ends.b.z], [ends.a.y, ends.b.y], { mix: Number($("mix").value) });
  present(x.slice(0, size(told.shape)), began);
}

function present(x, began) {
  show($("sample"), told, x, cloud);
  const ms = performance.now() - began;
  $("values").textContent = values(told, x);
  $("sample").setAttribute("aria-label", `A sample of ${told.name}${told.classes.length ? `, class ${told.classes[label()]}` : ""}`);
  $("time").textContent = `${ms.toFixed(ms < 10 ? 1 : 0)} ms from the request to the picture`;
  $("time").dataset.ms = ms;
}

function fresh() {
  z = draw(told);
  return walk(() => steps.fill(0));
}

function walk(change) {
  change();
  document.querySelectorAll("#walks input").forEach((input, k) => set(input, steps[k]));
  return ask(sample);
}

function moved(id) {
  set($(id), Number($(id).value));
  return ask({ truncation: sample, between: onTheWay, mix: mixed }[id]);
}

async function keep(end) {
  ends[end] = { z: walked(z, told.directions, steps, told), y: label() };
  await ask(() => showEnd(end), end);
}

async function showEnd(end) {
  show($(end), told, await made([ends[end].z], [ends[end].y]), cloud, THUMB);
}

function drawOthers() {
  return ask(async () => {
    const others = Array.from({ length: OTHERS }, () => draw(told));
    const x = await made(others);
    const each = size(told.shape);
    $("others").replaceChildren(...others.map((own, i) => {
      const button = element("button");
      button.type = "button";
      button.setAttribute("aria-label", `Take sample ${i + 1}`);
      const canvas = element("canvas");
      show(canvas, told, x.slice(i * each, (i + 1) * each), cloud, THUMB);
      button.append(canvas);
      button.addEventListener("click", () => { z = own; walk(() => steps.fill(0)); });
      return button;
    }));
  }, "others");
}

function slider(k) {
  const row = element("div");
  row.className = "slider";
  const name = element("label", `Direction ${k + 1}`);
  const input = element("input");
  Object.assign(input, { type: "range", min: -3, max: 3, step: 0.1, value: 0, id: `walk-${k}` });
  name.htmlFor = input.id;
  const output = element("output", "0");
  output.htmlFor = input.id;
  input.addEventListener("input", () => walk(() => { steps[k] = Number(input.value); }));
  row.append(name, input, output);
  return row;
}

function set(input, value) {
  input.value = value;
  input.nextElementSibling.textContent = String(value);
}

function options(select, names) {
  select.replaceChildren(...names.map((name, i) => new Option(name, i)));
}

function element(name, text = "") {
  const made = document.createElement(name);
  made.textContent = text;
  return made;
}

function say(text, failed = false) {
  $("said").textContent = text;
  $("said").hidden = !text;
  $("said").classList.toggle("failed", failed);
}

function failed(error) {
  say(`This page does not work here: ${error.message}`, true);
}

main().catch(failed);
