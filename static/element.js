/**
 * Making and filling elements. Words go in as text and only as text: what people and models say may hold markup,
 * and must stay what it is.
 */

/** `element("p.note", {title: "…"}, "text", child)`: attributes with null, undefined or false are left out. */
export function element(what, attributes = {}, ...children) {
  const [tag, ...classes] = what.split(".");
  const made = document.createElement(tag);
  if (classes.length) made.className = classes.join(" ");
  for (const [name, value] of Object.entries(attributes)) mark(made, name, value);
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

/** Set an attribute, or take it away. */
export function mark(target, name, value) {
  if (value === null || value === undefined || value === false) target.removeAttribute(name);
  else target.setAttribute(name, value === true ? "" : String(value));
}

/** Write text into an element only when it differs: screen readers and selections are left in peace. */
export function write(target, text) {
  if (target.textContent !== text) target.textContent = text;
}

/** A sentence with `commands` in it, as nodes. */
export function prose(text) {
  return text.split("`").map((part, place) => (place % 2 ? element("code", {}, part) : part));
}

export function byId(id) {
  return document.getElementById(id);
}

/** A button that copies what `text()` gives, and says so. */
export function copyButton(text, label) {
  const button = element("button.copy", { type: "button", "aria-label": label, title: label }, "Copy");
  button.addEventListener("click", async () => {
    const copied = await navigator.clipboard.writeText(text()).then(() => "Copied", () => "Not allowed");
    write(button, copied);
    setTimeout(() => write(button, "Copy"), 1_500);
  });
  return button;
}
