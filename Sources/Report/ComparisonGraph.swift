public import Foundation
internal import NanoTensor
public import NanoTraining

/// `comparison_graph.png`: validation loss, training time, memory and inference time as four bar charts.
public enum ComparisonGraph {
  /// The picture as PNG data.
  public static func draw(_ results: StudyResults) throws -> Data {
    func bars(_ value: (ModelResult) -> Double) -> [BarPanels.Bar] {
      results.models.map { BarPanels.Bar(model: $0.name, value: value($0)) }
    }
    let names = results.models.map { Palette.displayName(of: $0.name) }
    return try BarPanels(
      title: "Character study: \(names.joined(separator: " and "))", subtitle: subtitle(results),
      caution: Completeness(results).caution,
      panels: [
        BarPanels.Panel(
          title: "Best validation loss", unit: "nats a character", format: "%.4f",
          bars: bars(\.bestValidationLoss),
          reference: results.corpus.optimumNLL.map { (label: "optimum", value: $0) }),
        BarPanels.Panel(
          title: "Training time", unit: "ms a step", format: "%.2f", bars: bars(\.trainStepMeanMs)),
        BarPanels.Panel(
          title: "Peak tensor memory", unit: "MB", format: "%.1f",
          bars: bars { Double($0.peakTensorBytes) / 1e6 }),
        BarPanels.Panel(
          title: "Inference time", unit: "ms a batch", format: "%.2f", bars: bars(\.inferenceMeanMs)
        ),
      ]
    ).png()
  }

  private static func subtitle(_ results: StudyResults) -> String {
    let configuration = results.configuration
    return
      "\(configuration.iterations) iterations, batch \(configuration.batchSize), context \(configuration.contextLength), "
      + "width \(configuration.width), \(configuration.layerCount) layers, seed \(results.seed), "
      + "\(results.precision.rawValue), \(results.machine.processor)"
  }
}
