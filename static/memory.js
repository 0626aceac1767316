/** What this browser remembers for the person: choices, never words. A browser that may not remember simply forgets. */

const PREFIX = "switchboard.";

export function recall(name) {
  try {
    return JSON.parse(localStorage.getItem(PREFIX + name));
  } catch {
    return null;
  }
}

/** Remember a value; null forgets it. */
export function remember(name, value) {
  try {
    if (value === null) localStorage.removeItem(PREFIX + name);
    else localStorage.setItem(PREFIX + name, JSON.stringify(value));
  } catch {
    // Private windows and locked-down browsers refuse; the choice then lasts as long as the page.
  }
}
