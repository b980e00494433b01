#!/usr/bin/env node
// Finds circles: files of a crate that import each other, directly or by way of others. Each would have to be read
// before the other. An import between a file and the folder of modules beside it (foo.rs and foo/…) is no arrow: those
// are one room. Tests are not looked at.
//   scripts/circles.mjs [FOLDER]    one line for each circle; the exit status is 1 where there is one
import { readFileSync, readdirSync, existsSync } from "node:fs";
import { join, relative } from "node:path";

const root = process.argv[2] ?? ".";

// Every module of a crate: its path ("a::b"), its file, and the names that its `use` lines bring in.
function readCrate(folder) {
  const modules = new Map();
  const visit = (path, file) => {
    const text = withoutTests(withoutComments(readFileSync(file, "utf8")));
    const module = { path, file, text, uses: new Map(), children: new Set() };
    modules.set(path, module);
    const beside = path === "" ? folder : file.slice(0, -".rs".length);
    for (const [, name] of text.matchAll(/^\s*(?:pub(?:\([^)]*\))? )?mod (\w+);/gm)) {
      const child = join(beside, `${name}.rs`);
      if (name === "tests" || !existsSync(child)) continue;
      module.children.add(name);
      visit(join2(path, name), child);
    }
  };
  const first = ["lib.rs", "main.rs"].map((name) => join(folder, name)).find(existsSync);
  if (first) visit("", first);
  for (const module of modules.values()) {
    for (const [, tree] of module.text.matchAll(/\buse ((?:crate|super|self)\b[^;]*);/g)) {
      for (const segments of leaves(tree)) {
        const renamed = segments.at(-1).split(/\s+as\s+/);
        const target = [...segments.slice(0, -1), renamed[0]];
        module.uses.set(renamed.at(-1), absolute(module.path, target));
      }
    }
  }
  return modules;
}

const join2 = (path, name) => (path === "" ? name : `${path}::${name}`);
const withoutComments = (text) => text.replace(/^\s*\/\/.*$/gm, "").replace(/"(?:[^"\\]|\\.)*"/gs, '""');
const withoutTests = (text) => text.split(/^#\[cfg\(test\)\]\nmod \w+ \{/m)[0];

// "a::{b, c::{d, self}}" as [[a, b], [a, c, d], [a, c]].
function leaves(tree, before = []) {
  const text = tree.trim();
  const open = text.indexOf("{");
  if (open < 0) {
    const segments = [...before, ...text.split("::").map((part) => part.trim())];
    return [segments.at(-1) === "self" && segments.length > 1 ? segments.slice(0, -1) : segments];
  }
  const prefix = text.slice(0, open).split("::").map((part) => part.trim()).filter(Boolean);
  const parts = [];
  let depth = 0;
  let part = "";
  for (const letter of text.slice(open + 1, text.lastIndexOf("}"))) {
    if (letter === "{") depth += 1;
    if (letter === "}") depth -= 1;
    if (letter === "," && depth === 0) {
      parts.push(part);
      part = "";
    } else part += letter;
  }
  return [...parts, part].filter((item) => item.trim()).flatMap((item) => leaves(item, [...before, ...prefix]));
}

// The segments from the crate's root.
function absolute(path, segments) {
  let here = path === "" ? [] : path.split("::");
  let rest = segments;
  if (rest[0] === "crate") [here, rest] = [[], rest.slice(1)];
  if (rest[0] === "self") rest = rest.slice(1);
  while (rest[0] === "super") [here, rest] = [here.slice(0, -1), rest.slice(1)];
  return [...here, ...rest];
}

// The module that defines what the segments name: a re-export is followed to where it comes from.
function resolve(modules, segments, followed = 0) {
  let module = modules.get("");
  for (const [index, name] of segments.entries()) {
    if (module.children.has(name)) {
      module = modules.get(join2(module.path, name));
      continue;
    }
    const from = module.uses.get(name);
    return from && followed < 8 ? resolve(modules, [...from, ...segments.slice(index + 1)], followed + 1) : module;
  }
  return module;
}

const isWithin = (path, other) => other === "" || path === other || path.startsWith(`${other}::`);

function arrows(modules) {
  const found = new Map();
  for (const module of modules.values()) {
    const targets = new Set();
    const named = [...module.uses.values()];
    for (const [path] of module.text.matchAll(/\b(?:crate|super|self)(?:::\w+)+/g)) {
      named.push(absolute(module.path, path.split("::")));
    }
    for (const segments of named) {
      const target = resolve(modules, segments);
      if (!isWithin(module.path, target.path) && !isWithin(target.path, module.path)) targets.add(target.path);
    }
    found.set(module.path, targets);
  }
  return found;
}

// Tarjan's strongly connected components: those of more than one module are circles.
function circles(graph) {
  const [index, low, stack, found] = [new Map(), new Map(), [], []];
  const visit = (node) => {
    index.set(node, index.size);
    low.set(node, index.get(node));
    stack.push(node);
    for (const next of graph.get(node)) {
      if (!index.has(next)) visit(next);
      if (stack.includes(next)) low.set(node, Math.min(low.get(node), low.get(next)));
    }
    if (low.get(node) === index.get(node)) {
      const circle = stack.splice(stack.indexOf(node));
      if (circle.length > 1) found.push(circle.sort());
    }
  };
  for (const node of graph.keys()) if (!index.has(node)) visit(node);
  return found;
}

let files = 0;
let broken = false;
for (const crate of readdirSync(root)) {
  const folder = join(root, crate, "src");
  if (!existsSync(folder)) continue;
  const modules = readCrate(folder);
  files += modules.size;
  for (const circle of circles(arrows(modules))) {
    broken = true;
    console.log(circle.map((path) => relative(root, modules.get(path).file)).join(" <-> "));
  }
}
if (files === 0) {
  console.error(`circles: no Rust source in ${root}`);
  process.exit(2);
}
process.exit(broken ? 1 : 0);
