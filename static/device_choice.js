/** A list on the page to choose a microphone or a loudspeaker from, always true to what is plugged in. */

import { byId, element, write } from "./element.js";

const SYSTEM = "System default";

export class DeviceChoice {
  #devices;
  #kind;
  #select;
  #note;

  /** `picked(id)` hears a choice of the person's, after it was remembered; null is the system's own. */
  constructor(devices, kind, id, picked) {
    this.#devices = devices;
    this.#kind = kind;
    this.#select = byId(id);
    this.#note = byId(`${id}-note`);
    devices.addEventListener("changed", () => this.show());
    this.#select.addEventListener("change", () => {
      devices.choose(kind, this.#select.value);
      this.show();
      picked(this.#select.value || null);
    });
    this.show();
  }

  show() {
    const chosen = this.#devices.chosen(this.#kind);
    const missing = this.#devices.isMissing(this.#kind);
    const list = this.#devices.list(this.#kind);
    // What was chosen stays in the list while it is away: plugged in again, it is used again.
    const absent = chosen && !list.some(({ id }) => id === chosen.id) ? [chosen] : [];
    this.#fill([{ id: "", label: SYSTEM }, ...list, ...absent]);
    this.#select.value = chosen?.id ?? "";
    write(this.#note, missing ? `${chosen.label} is not connected; the system’s default is used.` : "");
  }

  #fill(devices) {
    const same = devices.length === this.#select.length && devices.every(({ id, label }, place) => this.#isAt(place, id, label));
    // Filled anew under a person who has it open, the list would close.
    if (!same) this.#select.replaceChildren(...devices.map(({ id, label }) => element("option", { value: id }, label)));
  }

  #isAt(place, id, label) {
    const option = this.#select.options[place];
    return option.value === id && option.textContent === label;
  }
}
