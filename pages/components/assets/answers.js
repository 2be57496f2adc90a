/** Answers of every kind of task: a class, several, or a number; how they compare and how they read. */

/**
 * Whether two answers say the same.
 * @param {any} one
 * @param {any} other
 */
export function same(one, other) {
  return JSON.stringify(one ?? null) === JSON.stringify(other ?? null);
}

/**
 * An answer in words.
 * @param {any} task
 * @param {any} value Position, positions, number, or null.
 */
export function words(task, value) {
  if (value === null || value === undefined) return "?";
  if (task.kind === "numeric") return number(value);
  const name = (position) => task.classes[position]?.name ?? "?";
  if (!Array.isArray(value)) return name(value);
  return value.length ? value.map(name).join(", ") : "none of them";
}

/**
 * A number without the noise of its binary form: 0.1 + 0.2 reads 0.3.
 * @param {number} value
 */
export function number(value) {
  return String(Number(value.toPrecision(12)));
}

/**
 * The machine's answer to a card; null on audit questions and before there is a model.
 * @param {any} card
 */
export function suggested(card) {
  return card.said ? card.said.value : null;
}

/**
 * The class that is suggested, and its probability: the likeliest that was not rejected here. Null without one.
 * @param {import("./questions.js").Entry} entry
 * @returns {[number, number] | null}
 */
export function offered({ given, card }) {
  const wrong = given?.wrong ?? [];
  if (!card.suggestion || !wrong.includes(card.suggestion[0])) return card.suggestion;
  return card.proba.find(([position]) => !wrong.includes(position)) ?? null;
}

/**
 * The answer that an item has: given here, or the one it came with; null without one.
 * @param {import("./questions.js").Entry} entry
 */
export function answered({ given, card }) {
  if (!given || given.verb === "skip") return card.label ?? null;
  return given.verb === "reject" ? null : given.value;
}

/**
 * What a rejection says it is not: the answer that the item has, else the suggested class; null without either.
 * @param {import("./questions.js").Entry} entry
 */
export function rejectable(entry) {
  return answered(entry) ?? offered(entry)?.[0] ?? null;
}

/**
 * What the machine showed when a card was answered, as the server keeps it.
 * @param {import("./questions.js").Entry} entry
 */
export function shown(entry) {
  const { said, suggestion } = entry.card;
  if (!said) return null;
  if (offered(entry) !== suggestion) return offered(entry);
  if (said.confidence !== null) return [said.value, said.confidence];
  return [said.value, said.low, said.high].filter((part) => part !== null);
}
