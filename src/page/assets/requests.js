// Talks to the process that serves the page.

/** The answer as JSON, or an error with what the process says. */
async function answer(response) {
  const text = await response.text();
  let content;
  try {
    content = text ? JSON.parse(text) : {};
  } catch {
    content = { error: text };
  }
  if (!response.ok) {
    const error = new Error(content?.error || `the process answered ${response.status}`);
    error.status = response.status;
    throw error;
  }
  return content;
}

export const read = async (path) => answer(await fetch(path, { cache: "no-store" }));

export const send = async (path, content) => answer(await fetch(path, {
  method: "POST",
  headers: { "content-type": "application/json" },
  body: JSON.stringify(content),
}));

/** Calls `on[NAME]` with each event's content, and `on.lost` while there is no connection. Returns how to stop. */
export function follow(path, on) {
  const source = new EventSource(path);
  for (const name of ["status", "doings"]) {
    source.addEventListener(name, (event) => on[name](JSON.parse(event.data)));
  }
  source.addEventListener("end", () => {
    source.close();
    on.end();
  });
  source.addEventListener("error", () => on.lost());
  return () => source.close();
}
