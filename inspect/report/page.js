// What every page does: it hands each specification to vegaEmbed, and makes the charts readable with the keyboard.
(async () => {
  const page = JSON.parse(document.getElementById("figures").textContent);
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  const button = document.getElementById("theme");
  let chosen = { "#dark": "dark", "#light": "light" }[location.hash];
  let round = 0;

  function specification({ chart, values, ...own }) {
    const spec = { ...page.charts[chart], ...own };
    if (values) spec.params = spec.params.map(p => p.name in values ? { ...p, value: values[p.name] } : p);
    return spec;
  }

  // What the pointer can read in a chart: its marks with a tooltip, by their places in the window.
  function readings(element) {
    const box = element.querySelector("svg.marks, canvas.marks").getBoundingClientRect(), [left, top] = element.view.origin();
    const found = [];
    const visit = (mark, x, y) => {
      for (const item of mark.items || [])
        if (mark.marktype === "group") for (const child of item.items) visit(child, x + (item.x || 0), y + (item.y || 0));
        else if (item.tooltip && !item.isVoronoi && (item.opacity !== 0 || mark.marktype === "symbol"))
          found.push({ item, x: x + (item.bounds.x1 + item.bounds.x2) / 2, y: y + (item.bounds.y1 + item.bounds.y2) / 2 });
    };
    visit(element.view.scenegraph().root, box.left + left, box.top + top);
    return found;
  }
  // A chart is one stop of the Tab key. The arrows go from mark to mark and show what the pointer would; Enter opens the menu.
  function readable(element) {
    const chart = element.querySelector(".chart-wrapper") || element, menu = element.querySelector("details");
    chart.tabIndex = 0;
    chart.setAttribute("role", "application");
    chart.setAttribute("aria-roledescription", "chart");
    chart.setAttribute("aria-describedby", "keys");
    element.querySelector("svg.marks, canvas.marks").setAttribute("aria-hidden", "true");  // ten thousand marks help nobody
    if (menu) {
      menu.querySelector("summary").tabIndex = -1;
      menu.querySelector("summary").setAttribute("aria-label", "Save as a picture: " + chart.getAttribute("aria-label"));
    }
    let place = null, cursor = null;
    const leave = () => {
      element.view._tooltip(null, {}, null, null);
      if (cursor) cursor.remove();
      place = cursor = null;
    };
    chart.onblur = leave;
    chart.onkeydown = event => {
      const [dx, dy] = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] }[event.key] || [0, 0];
      if (event.key === "Escape") return leave();
      if (event.key === "Enter" && menu) {
        menu.open = true;
        menu.querySelector("a").focus();
      }
      if (!dx && !dy) return;
      event.preventDefault();
      const all = readings(element), outer = element.getBoundingClientRect();
      const at = place ? { x: place.x + outer.left, y: place.y + outer.top } : { x: -1, y: outer.top };
      const far = m => dx ? [dx * (m.x - at.x), Math.abs(m.y - at.y)] : [dy * (m.y - at.y), Math.abs(m.x - at.x)];
      const next = all.map(m => [m, ...far(m)]).filter(([, ahead, aside]) => ahead > 0.5 && (dx || aside < 12))
        .sort(([, a, b], [, c, d]) => a - c || b - d)[0];
      if (!next) return;
      const { item, x, y } = next[0];
      place = { x: x - outer.left, y: y - outer.top };
      if (!cursor) cursor = element.appendChild(Object.assign(document.createElement("i"), { className: "cursor" }));
      cursor.style.left = place.x + "px";
      cursor.style.top = place.y + "px";
      element.view._tooltip(null, { clientX: x, clientY: y }, item, item.tooltip);
      document.getElementById("heard").textContent = Object.entries(item.tooltip).map(([name, value]) => name + " " + value).join(", ");
    };
  }
  async function draw(element) {
    try {
      if (element.view) element.view.finalize();
      const { view } = await vegaEmbed(element, specification(page.views[element.id]), {
        mode: "vega-lite", renderer: "svg", config: page.themes[root.dataset.theme], tooltip: { theme: "custom" },
        actions: { export: true, source: false, compiled: false, editor: false } });
      element.view = view;
      readable(element);
    } catch (error) {
      element.classList.add("problem");
      element.textContent = "This figure could not be drawn: " + error;
      console.error(error);
    }
  }
  async function drawAll() {
    const mine = ++round;
    const theme = chosen || (system.matches ? "dark" : "light");
    root.dataset.theme = theme;
    button.textContent = theme === "dark" ? "Light" : "Dark";
    const views = document.querySelectorAll(".view");
    if (views.length > 0 && typeof vegaEmbed === "undefined") {
      document.getElementById("missing").hidden = false;
      return;
    }
    delete root.dataset.drawn;
    for (const element of views) {
      if (element.closest("details:not([open])")) continue;
      await draw(element);
      await new Promise(resolve => setTimeout(resolve));
      if (mine !== round) return;
    }
    root.dataset.drawn = theme;
  }

  // What is wider than the window says that it can be moved.
  function hint() {
    for (const element of document.querySelectorAll("nav span, .table")) {
      const wide = element.scrollWidth > element.clientWidth + 2;
      element.classList.toggle("wide", element.scrollWidth - element.clientWidth - element.scrollLeft > 2);
      if (element.matches(".table")) wide ? (element.tabIndex = 0) : element.removeAttribute("tabindex");
      element.onscroll = hint;
    }
  }
  onresize = hint;
  hint();
  button.onclick = () => { chosen = root.dataset.theme === "dark" ? "light" : "dark"; drawAll(); };
  system.onchange = drawAll;
  for (const details of document.querySelectorAll("details.more"))
    details.ontoggle = async () => {
      hint();
      if (details.open) for (const element of details.querySelectorAll(".view")) await draw(element);
    };
  await drawAll();
})();
