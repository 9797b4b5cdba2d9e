// Waits until a report is drawn, uses it as a reader would, then writes what it saw into an element "probe". browser_test.sh
// injects it.
(async () => {
  const root = document.documentElement;
  while (!root.dataset.drawn) await new Promise(resolve => setTimeout(resolve, 50));
  const marks = item => {
    if (item.marktype && item.marktype !== "group") return (item.role || "").startsWith("mark") ? item.items.length : 0;
    return (item.items || []).reduce((sum, child) => sum + marks(child), 0);
  };
  const lines = [`theme ${root.dataset.drawn}`, `requests ${performance.getEntriesByType("resource").length}`,
    `problems ${document.querySelectorAll(".problem").length}`];
  for (const section of document.querySelectorAll("main section")) {
    const counts = [...section.querySelectorAll(".view")].map(element => {
      const svg = element.querySelector("svg.marks"), drawn = marks(element.view.scenegraph().root);
      const shown = svg ? svg.querySelectorAll("[class^=mark-][class*=role-mark] :is(path, text, rect)").length : drawn;
      return Math.min(drawn, shown);
    });
    lines.push(`figure ${section.id}: ${counts.length} charts, at least ${Math.min(...counts)} marks in each`);
  }

  // Names: every chart has one of its own.
  const charts = [...document.querySelectorAll(".view .chart-wrapper")];
  const names = charts.map(chart => chart.getAttribute("aria-label") || "");
  lines.push(`names ${new Set(names.filter(name => name.length > 8 && name !== "Vega visualization")).size} of ${charts.length}`);
  lines.push(`symbols ${document.querySelectorAll("svg.marks:not([aria-hidden]) [role=graphics-symbol]").length}`);
  lines.push(`heads without scope ${document.querySelectorAll("th:not([scope])").length}`);
  // Legends: of which figures, and whether any of their keys has no size or no text.
  const legends = [...document.querySelectorAll(".legend")];
  lines.push(`legends ${legends.map(legend => legend.closest("section").id).join("")}`);
  lines.push(`empty keys ${legends.flatMap(legend => [...legend.children]).filter(entry =>
    entry.textContent.trim().length < 1 || entry.firstChild.getBoundingClientRect().width < 5).length}`);
  // Keyboard: one stop a chart; each arrow that moves says something else and shows the tooltip.
  const stops = charts.filter(chart => chart.tabIndex === 0 && chart.parentElement.querySelectorAll("summary[tabindex='0'], summary:not([tabindex])").length === 0);
  lines.push(`stops ${stops.length} of ${charts.length}`);
  const heard = document.getElementById("heard");
  const press = (chart, key) => {
    heard.textContent = "";
    chart.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
    const tooltip = document.getElementById("vg-tooltip-element");
    return tooltip && tooltip.classList.contains("visible") ? heard.textContent : "";
  };
  const mute = charts.filter(chart => {
    chart.focus();
    const first = press(chart, "ArrowRight"), second = press(chart, "ArrowRight") || press(chart, "ArrowDown");
    chart.blur();
    return !first || !second || first === second || document.querySelector(".cursor");
  });
  lines.push(`mute ${mute.length} of ${charts.length}${mute.map(chart => ": " + chart.getAttribute("aria-label")).join("")}`);
  charts[0].focus();
  charts[0].dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", bubbles: true }));
  lines.push(`menu ${document.activeElement.textContent}`);
  // The lines of the units can be switched off.
  const map = document.querySelector("#L .view"), box = map.querySelector("input[type=checkbox]");
  const shown = () => [...map.querySelectorAll("svg .mark-rule line")].filter(line => line.getAttribute("opacity") !== "0").length;
  const before = shown();
  box.click();
  await new Promise(resolve => setTimeout(resolve, 300));
  lines.push(`lines ${before > shown() && shown() > 0 ? "can be switched off" : `${before}, then ${shown()}`}`);
  // Nothing sticks out of the window, and the button is in sight.
  const wide = root.scrollWidth - root.clientWidth, button = document.getElementById("theme").getBoundingClientRect();
  lines.push(`too wide by ${Math.max(0, wide)}`, `button ${button.left >= 0 && button.right <= innerWidth ? "in sight" : button.right}`);
  lines.push(`unhinted ${[...document.querySelectorAll("nav span, .table")].filter(element =>
    element.scrollWidth > element.clientWidth + 2 && !element.classList.contains("wide")).length}`);
  const pre = document.createElement("pre");
  pre.id = "probe";
  pre.textContent = "\n" + lines.join("\n") + "\n";
  document.body.append(pre);
})();
