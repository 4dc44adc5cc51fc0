import ArgumentParser
import Foundation
import OperationBenchmarks

/// `bench-cli bench ops`: what share of the machine's peak each operation reaches, on one thread.
struct BenchOpsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "ops",
    abstract: "Measure single operations at the study's shapes, against the machine's peak.",
    discussion: CommandConfiguration.examples("bench ops", "bench ops --only 'layer norm' --json"))

  @Option("Measure the operations whose names hold this text", "text", default: "all")
  var only: String?

  @Flag(help: "Print one JSON object.")
  var json = false

  func run() throws {
    let report = OperationBenchmark.run(only: only)
    guard !report.products.isEmpty || !report.attention.isEmpty || !report.operations.isEmpty else {
      throw ValidationError("no operation has '\(only ?? "")' in its name; bench ops without --only lists them")
    }
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
        report.peakBF16GFLOPS > 0 ? String(format: ", %.0f bf16", report.peakBF16GFLOPS) : "",
        report.peakGBPS))
    printProducts(of: report)
    printAttention(of: report)
    printOperations(of: report)
    if report.operations.contains(where: { $0.gigabytesPerSecond > report.peakGBPS }) {
      print("\nAbove 100%: copying writes as much as it reads, and what reads more than it writes can be faster.")
    }
    if report.products.contains(where: { max($0.own, $0.openBLAS) > report.peakGFLOPS })
      || report.attention.contains(where: { $0.own > report.peakGFLOPS })
    {
      print("\nAbove 100%: the machine was busy, or its clock lower, while its peak was measured. Measure again.")
    }
  }

  private func printProducts(of report: OperationBenchmark) {
    guard !report.products.isEmpty else { return }
    print()
    print("Matrix products, GFLOP/s (share of the float32 peak)")
    printProductHeader("shape (rows, columns, depth)", peer: "OpenBLAS")
    for product in report.products {
      printProduct(
        "\(product.name) \(product.rows),\(product.columns),\(product.depth)", own: product.own,
        openBLAS: product.openBLAS, split: product.split, bf16: product.bf16, peak: report.peakGFLOPS)
    }
  }

  private func printAttention(of report: OperationBenchmark) {
    guard !report.attention.isEmpty else { return }
    print()
    print("Causal attention of one head, GFLOP/s of the products that causality leaves (share of the float32 peak)")
    printProductHeader("shape (positions, key width, value width)", peer: "")
    for head in report.attention {
      printProduct(
        "\(head.name) \(head.length),\(head.keyWidth),\(head.valueWidth)", own: head.own,
        split: head.split, bf16: head.bf16, peak: report.peakGFLOPS)
    }
  }

  private func printOperations(of report: OperationBenchmark) {
    guard !report.operations.isEmpty else { return }
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

  private func printProductHeader(_ shape: String, peer: String) {
    print(
      shape.padding(toLength: 46, withPad: " ", startingAt: 0)
        + "        own         " + peer.padding(toLength: 8, withPad: " ", startingAt: 0)
        + "   fp32-split         bf16")
  }

  /// One line; without OpenBLAS where it has no such operation.
  private func printProduct(
    _ label: String, own: Double, openBLAS: Double? = nil, split: Double, bf16: Double, peak: Double
  ) {
    func share(_ speed: Double) -> String {
      String(format: "%7.1f (%3.0f%%)", speed, 100 * speed / peak)
    }
    print(
      label.padding(toLength: 46, withPad: " ", startingAt: 0) + share(own) + "  "
        + (openBLAS.map(share) ?? String(repeating: " ", count: 14))
        + String(format: "   %10.1f   %10.1f", split, bf16))
  }
}
