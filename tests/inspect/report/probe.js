// Waits until a report is drawn, then writes what is on it into an element "probe". browser_test.sh injects it.
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
  const pre = document.createElement("pre");
  pre.id = "probe";
  pre.textContent = "\n" + lines.join("\n") + "\n";
  document.body.append(pre);
})();
