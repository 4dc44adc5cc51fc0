extension PageScript {
  /// The loss over a setting that was searched for.
  static let rates = #"""
    for (const figure of document.querySelectorAll("[data-setting]")) {
      const setting = figure.dataset.setting, searches = data.searches.filter((search) => search.setting === setting);
      const values = searches.flatMap((search) => search.trials.map((trial) => trial[0]));
      new LineChart(figure, () => ({
        series: searches.map((search) => ({
          name: data.arms[search.arm].title, arm: data.arms[search.arm], points: search.trials,
          chosen: search.trials.findIndex((trial) => trial[0] === search.chosen),
        })),
        xRange: [Math.min(...values), Math.max(...values)], isLogarithmic: Math.min(...values) > 0, marksAll: true,
        yRange: (series) => {
          const found = series.flatMap((s) => s.points.map((p) => p[1])).sort((a, b) => a - b);
          if (!found.length) return [0, 1];
          // What diverged would flatten all else.
          const [low, median] = [found[0], found[found.length >> 1]];
          const high = Math.min(found[found.length - 1], low + 4 * (median - low) + 0.01);
          return [low - 0.06 * (high - low), high + 0.06 * (high - low)];
        },
        xLabel: setting, xText: (at) => `${setting} ${+at.toPrecision(3)}`, yText: (loss) => loss.toFixed(4),
        endText: "at the right end; the larger mark is what was chosen",
      }));
    }
    """#
}
