// Draws the charts, in the colours of the scheme that the reader prefers; paper is always light.
(() => {
  "use strict";
  const partner = JSON.parse(document.getElementById("palette").textContent); // light colour -> dark colour
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const options = {
    responsive: true,
    displaylogo: false,
    // A list of what there is, since plotly's own bar has a button that sends the chart to its cloud
    modeBarButtons: [["toImage", "zoom2d", "pan2d", "resetScale2d"]],
  };
  const charts = [...document.querySelectorAll(".plot")];

  const draw = (element, inDark) => {
    const swap = (_, value) => (inDark && typeof value === "string" && partner[value]) || value;
    const figure = JSON.parse(document.getElementById(`${element.id}-data`).textContent, swap);
    figure.data.forEach((trace) => {
      Object.entries(trace.meta || {}).forEach(([name, holder]) => { trace[name] = figure.data[holder][name]; });
    });
    if (matchMedia("(pointer: coarse)").matches) figure.layout.dragmode = false; // a finger scrolls the page
    const narrow = element.clientWidth < 560;
    if (narrow) {
      figure.layout.legend.font.size = 10;
      if (figure.layout.xaxis.rangeselector) figure.layout.xaxis.rangeselector.visible = false;
    }
    const bar = narrow || "static" in element.dataset ? false : "hover";
    Plotly.react(element, figure.data, figure.layout, { ...options, displayModeBar: bar });
  };
  const drawAll = (inDark) => charts.forEach((element) => draw(element, inDark));

  drawAll(dark.matches);
  dark.addEventListener("change", () => drawAll(dark.matches));
  addEventListener("beforeprint", () => { if (dark.matches) drawAll(false); });
  addEventListener("afterprint", () => { if (dark.matches) drawAll(true); });
})();
