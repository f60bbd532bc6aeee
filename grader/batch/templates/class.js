(() => {
  const byId = (id) => document.getElementById(id);
  const table = byId("table"), body = table.tBodies[0], form = byId("filters");
  const rows = [...body.rows];
  const heads = [...table.tHead.rows[0].cells];
  const place = new Map(rows.map((row, k) => [row, k]));
  // Whoever types `sean` looks for Seán, and not everybody can type the mark.
  const plain = (text) => text.toLowerCase().normalize("NFD").replace(/\p{Mn}/gu, "");
  const said = new Map(rows.map((row) => [row, plain(row.cells[0].textContent)]));
  let key = "first", down = false;

  const name = (row) => row.querySelector(".who bdi").textContent;
  const number = (row, column) => {
    const value = parseFloat(row.cells[column].textContent);
    return Number.isNaN(value) ? null : value;
  };

  const compare = (a, b) => {
    if (key === "first") return place.get(a) - place.get(b);
    if (key === "name") return name(a).localeCompare(name(b)) || place.get(a) - place.get(b);
    const column = heads.findIndex((head) => head.dataset.key === key);
    const one = number(a, column), other = number(b, column);
    // What has no points stays at the end either way.
    if (one === null || other === null) return (one === null) - (other === null) || place.get(a) - place.get(b);
    return (down ? other - one : one - other) || place.get(a) - place.get(b);
  };

  const sort = () => {
    const sorted = [...rows].sort(compare);
    if (down && (key === "first" || key === "name")) sorted.reverse();
    body.append(...sorted);
    for (const head of heads) {
      if (head.dataset.key === key) head.setAttribute("aria-sort", down ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    }
    byId("order").value = key;
  };

  const filter = () => {
    const words = plain(byId("find").value).split(/\s+/).filter(Boolean);
    const state = byId("state").value, section = byId("section") ? byId("section").value : "";
    let shown = 0;
    for (const row of rows) {
      const fits = words.every((word) => said.get(row).includes(word))
        && (!state || row.dataset.states.includes(`|${state}|`))
        && (!section || row.dataset.section === section);
      row.hidden = !fits;
      shown += fits;
    }
    byId("found").textContent = shown === rows.length ? "" : `${shown} of ${rows.length} shown`;
  };

  for (const head of heads) {
    if (!head.dataset.key) continue;
    const button = document.createElement("button");
    button.type = "button";
    button.className = "sort";
    button.append(...head.childNodes);
    button.addEventListener("click", () => {
      down = key === head.dataset.key ? !down : false;
      key = head.dataset.key;
      sort();
    });
    head.append(button);
  }
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", (event) => {
    if (event.target.id === "order") {
      key = event.target.value;
      down = false;
      sort();
    }
    filter();
  });
  form.hidden = false;
  // A browser may bring back what was typed before.
  form.reset();
  sort();
  filter();
})();
