extension PageScript {
  /// The loss curves.
  static let losses = #"""
    function lossSeries(x, showsTraining) {
      return data.arms.map((arm, index) => {
        const runs = data.runs.filter((run) => run.arm === index), whole = runs.filter((run) => run.isWhole);
        const line = (run, y) => run.step.map((_, i) => [run[x][i], run[y][i]]).filter((p) => p[1] !== null);
        // The mean of whole runs at the points that all have; where there is none yet, the first that is on its way.
        const shown = whole.length ? whole : runs.slice(0, 1);
        const points = [], band = [];
        for (let i = 0; i < Math.min(...shown.map((run) => run.step.length)) && shown.length; i++) {
          const losses = shown.map((run) => run.validation[i]), at = mean(shown.map((run) => run[x][i]));
          points.push([at, mean(losses)]);
          if (shown.length > 1) band.push([at, Math.min(...losses), Math.max(...losses)]);
        }
        return {
          name: arm.title, arm, points, band,
          thin: runs.filter((run) => !shown.includes(run)).map((run) => line(run, "validation")),
          dashed: showsTraining ? shown.map((run) => line(run, "training")) : [],
        };
      });
    }

    // From a little below the lowest loss to what was reached after a twentieth of the way: the first steps fall so
    // steeply that all after them would lie flat.
    function lossRange(series, start) {
      const lines = series.flatMap((s) => [s.points, ...s.thin]).map((line) => line.filter((p) => p[0] >= start))
        .filter((line) => line.length);
      if (!lines.length) return [0, 1];
      const low = Math.min(...lines.flat().map((p) => p[1]));
      const early = lines.map((line) => line[line.length > 4 ? Math.max(1, Math.floor(line.length / 20)) : 0][1]);
      const high = Math.max(...early, low + 0.001);
      return [low - 0.06 * (high - low), high + 0.06 * (high - low)];
    }

    const losses = document.getElementById("loss-chart");
    if (losses) {
      const chosen = (name) => losses.querySelector(`input[name=${name}]:checked`)?.value;
      const chart = new LineChart(losses, () => {
        const x = chosen("axis");
        const last = Math.max(1e-9, ...data.runs.flatMap((run) => run[x]));
        const start = chosen("part") === "half" ? last / 2 : 0;
        return {
          series: lossSeries(x, chosen("training") !== undefined), xRange: [start, last],
          yRange: (series) => lossRange(series, start), yText: (loss) => loss.toFixed(4),
          xLabel: x === "step" ? "training steps" : "seconds of training",
          xText: (at) => x === "step" ? `after step ${grouped(at)}` : `after ${at.toFixed(1)} s of training`,
          endText: "at the end of each line",
          reference: data.optimum === undefined ? null : {label: "optimum", value: data.optimum},
        };
      });
      losses.querySelector(".controls").addEventListener("change", () => {
        chart.at = null;
        chart.draw();
      });
    }
    """#
}
