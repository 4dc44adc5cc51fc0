extension PageScript {
  /// The loads of experts over training.
  static let loads = #"""
    // A column is a moment, a row an expert; as dark as its load.
    function drawLoads() {
      const ink = getComputedStyle(document.body).color;
      for (const canvas of document.querySelectorAll("canvas[data-mixture]")) {
        const loads = data.experts[canvas.dataset.run][canvas.dataset.mixture];
        [canvas.width, canvas.height] = [loads.length, loads[0].length];
        const context = canvas.getContext("2d");
        context.fillStyle = ink;
        loads.forEach((column, x) => column.forEach((load, y) => {
          context.globalAlpha = Math.min(1, load * column.length / 2);
          context.fillRect(x, y, 1, 1);
        }));
      }
    }
    drawLoads();
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawLoads);
    """#
}
