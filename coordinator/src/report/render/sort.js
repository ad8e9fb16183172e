
document.addEventListener("click", (event) => {
  const button = event.target.closest("th button");
  if (!button) return;
  const heading = button.parentElement;
  const column = heading.cellIndex;
  const body = heading.closest("table").tBodies[0];
  const sign = heading.getAttribute("aria-sort") === "descending" ? 1 : -1;
  const key = (row) => row.cells[column].dataset.key;
  const words = (row) => row.cells[column].textContent;
  const order = (a, b) => {
    const [x, y] = [key(a), key(b)];
    if (x !== undefined && y !== undefined) return sign * (x - y);
    if (x !== undefined || y !== undefined) return x === undefined ? 1 : -1;
    return -sign * words(a).localeCompare(words(b), "en", { numeric: true });
  };
  body.append(...[...body.rows].sort(order));
  for (const other of heading.parentElement.cells) other.removeAttribute("aria-sort");
  heading.setAttribute("aria-sort", sign === 1 ? "ascending" : "descending");
});
