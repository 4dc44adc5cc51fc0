import ArgumentParser
import Foundation
import NanoTensor

/// `bench-cli bench ops`: what share of the machine's peak each operation reaches, on one thread.
struct BenchOpsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "ops",
    abstract: "Measure single operations at the study's shapes, against the machine's peak.")

  @Flag(help: "Print one JSON object.")
  var json = false

  func run() throws {
    let report = OperationBenchmark.run()
    if json {
      let encoder = JSONEncoder()
      encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
      print(String(decoding: try encoder.encode(report), as: UTF8.self))
      return
    }
    print("Kernels: \(report.kernels); OpenBLAS core: \(report.openBLASCore ?? "not installed")")
    print(
      String(
        format:
          "Peak of one thread: %.0f GFLOP/s float32%@, %.1f GB/s copying in the second-level cache",
        report.peakGFLOPS,
        report.peakBF16GFLOPS > 0 ? String(format: ", %.0f bf16 tiles", report.peakBF16GFLOPS) : "",
        report.peakGBPS))
    print()
    print("Matrix products, GFLOP/s (share of the float32 peak)")
    print(
      "shape (rows, columns, depth)".padding(toLength: 46, withPad: " ", startingAt: 0)
        + "        own         OpenBLAS   fp32-split         bf16")
    for product in report.products {
      let label = "\(product.name) \(product.rows),\(product.columns),\(product.depth)"
      print(
        label.padding(toLength: 46, withPad: " ", startingAt: 0)
          + String(
            format: "%7.1f (%3.0f%%)  %7.1f (%3.0f%%)   %10.1f   %10.1f", product.own,
            100 * product.own / report.peakGFLOPS, product.openBLAS,
            100 * product.openBLAS / report.peakGFLOPS, product.split, product.bf16))
    }
    print()
    print("Causal attention of one head, GFLOP/s of the products that causality leaves (share of the float32 peak)")
    print(
      "shape (positions, key width, value width)".padding(toLength: 46, withPad: " ", startingAt: 0)
        + "        own                      fp32-split         bf16")
    for head in report.attention {
      let label = "\(head.name) \(head.length),\(head.keyWidth),\(head.valueWidth)"
      print(
        label.padding(toLength: 46, withPad: " ", startingAt: 0)
          + String(
            format: "%7.1f (%3.0f%%)                   %10.1f   %10.1f", head.own,
            100 * head.own / report.peakGFLOPS, head.split, head.bf16))
    }
    print()
    print("Other operations, GB/s read and written (share of the copying speed)")
    for operation in report.operations {
      print(
        operation.name.padding(toLength: 46, withPad: " ", startingAt: 0)
          + String(
            format: "%7.1f (%3.0f%%)", operation.gigabytesPerSecond,
            100 * operation.gigabytesPerSecond / report.peakGBPS))
    }
  }
}
