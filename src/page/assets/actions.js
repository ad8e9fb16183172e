// What an operator does with the page: signs in, gives orders, settles dead letters; each with a reason.

import { setText } from "./dom.js";
import { counted } from "./format.js";
import { read, send } from "./requests.js";

const byId = (id) => document.getElementById(id);

/** Opens a dialog, and runs `submit` until it succeeds or the dialog is closed. */
function ask(dialog, error, submit) {
  const form = dialog.querySelector("form");
  const close = dialog.querySelector(".close");
  setText(error, "");
  return new Promise((resolve) => {
    const end = (result) => {
      form.onsubmit = null;
      close.onclick = null;
      dialog.onclose = null;
      if (dialog.open) dialog.close();
      resolve(result);
    };
    form.onsubmit = async (event) => {
      event.preventDefault();
      try {
        end((await submit(form)) ?? true);
      } catch (failure) {
        setText(error, failure.message);
      }
    };
    close.onclick = () => end(false);
    dialog.onclose = () => end(false);
    dialog.showModal();
  });
}

/** Asks for the token and exchanges it for a cookie. */
export async function signIn() {
  const input = byId("token");
  const signed = await ask(byId("token-dialog"), byId("token-error"), async () => {
    await send("/api/session", { token: input.value });
  });
  input.value = "";
  return signed;
}

export const session = () => read("/api/session");

/** What each order says about itself. */
export const ORDERS = {
  pause: { title: "Pause the run", submit: "Pause", effect: "Calls in flight finish, and no new ones start. Nothing is lost." },
  go: { title: "Resume the run", submit: "Resume", effect: "Calls start again." },
  cancel: {
    title: "Cancel the run",
    submit: "Cancel the run",
    effect: "It ends once its calls in flight have finished. Finished cells are kept; until it has ended, resuming undoes this.",
  },
};

/** Asks why, and gives an order. */
export const order = (run, wish) =>
  act(ORDERS[wish], (reason, by) => send("/api/order", { run, wish, reason, by }));

/** Asks why, and replays or discards the dead letters of a reason. */
export function settle(run, kind, group) {
  const letters = counted(group.letters.length, "dead letter", "dead letters");
  const texts = kind === "replay"
    ? { title: `Replay ${letters}`, submit: "Replay", effect: "Their messages go back into their queues, with a fresh history." }
    : { title: `Discard ${letters}`, submit: "Discard", effect: "They are deleted, and a coordinator starts their cells again." };
  const filter = { kind: group.kind, reason: group.reason };
  return act(texts, (reason, by) => send("/api/dead/settle", { run, act: kind, filter, reason, by }));
}

function act({ title, submit, effect }, perform) {
  setText(byId("act-title"), title);
  setText(byId("act-effect"), effect);
  setText(byId("act-submit"), submit);
  const [reason, name] = [byId("act-reason"), byId("act-name")];
  reason.value = "";
  name.value ||= localStorage.getItem("name") ?? "";
  return ask(byId("act-dialog"), byId("act-error"), async () => {
    await perform(reason.value.trim(), name.value.trim());
    localStorage.setItem("name", name.value.trim());
  });
}

/** Shows one dead letter with its message, as text. */
export async function showItem(run, letter) {
  const text = byId("item-text");
  setText(byId("item-title"), `Dead letter ${letter.letter}`);
  setText(text, "reading …");
  const reading = read(`/api/dead/${encodeURIComponent(run)}/${encodeURIComponent(letter.letter)}`);
  reading.then(
    (item) => { text.textContent = JSON.stringify(item, undefined, 2); },
    (failure) => setText(text, `It could not be read: ${failure.message}`),
  );
  const dialog = byId("item-dialog");
  dialog.querySelector(".close").onclick = () => dialog.close();
  dialog.showModal();
}
