// Makes and changes elements. Everything that others wrote goes through textContent, so that markup in it stays text.

/** An element with properties and children; strings become text. */
export function el(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name === "class") element.className = value;
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== undefined && child !== null));
  return element;
}

/** A text as one line that shows control characters instead of obeying them. */
export function visible(text) {
  return String(text ?? "").replace(/[\u0000-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, (found) =>
    found === "\n" || found === "\t" ? " " : `\\u{${found.codePointAt(0).toString(16)}}`);
}

/** Sets an element's text unless it has it already, so that nothing is announced or drawn twice. */
export function setText(element, text) {
  const shown = visible(text);
  if (element.textContent !== shown) element.textContent = shown;
}

/** Sets an element's class unless it has it already. */
export function setClass(element, name) {
  if (element.className !== name) element.className = name;
}

/** Makes the children of `parent` those of `items`, in their order: one for each key, kept as long as its key stays. */
export function keyed(parent, items, key, make, update) {
  const before = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  let place = parent.firstElementChild;
  for (const item of items) {
    const name = key(item);
    let child = before.get(name);
    if (child) before.delete(name);
    else {
      child = make(item);
      child.dataset.key = name;
    }
    update(child, item);
    if (child === place) place = place.nextElementSibling;
    else parent.insertBefore(child, place);
  }
  for (const gone of before.values()) gone.remove();
}

/** A table that is filled again and again. A column is { title, of, number?, text? }: `of` gives a cell's text. */
export function table(columns, { caption, key, cards = true }) {
  const head = el("tr", {}, ...columns.map((column) =>
    el("th", { scope: "col", class: column.number ? "number" : "" }, column.title)));
  const body = el("tbody");
  const element = el("table", { class: cards ? "cards" : "" }, el("caption", {}, caption), el("thead", {}, head), body);
  const make = () => el("tr", {}, ...columns.map((column) =>
    el("td", { class: column.number ? "number" : column.text ? "text" : "", "data-label": column.title })));
  const update = (row, item) => columns.forEach((column, place) => {
    const cell = row.children[place];
    if (column.fill) return column.fill(cell, item);
    const text = column.of(item);
    setText(cell, text);
    cell.classList.toggle("blank", text === "" || text === undefined);
  });
  return { element, fill: (items) => keyed(body, items, key, make, update) };
}

/** A list of figures: names with values that change. */
export function figures(names) {
  const values = new Map();
  const element = el("dl", { class: "figures" });
  for (const name of names) {
    const value = el("dd");
    values.set(name, value);
    element.append(el("div", {}, el("dt", {}, name), value));
  }
  return { element, set: (name, text) => setText(values.get(name), text), of: (name) => values.get(name) };
}
