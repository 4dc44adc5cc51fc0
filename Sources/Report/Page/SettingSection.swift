internal import Foundation
internal import NanoExperiments
internal import NanoTensor
internal import NanoTraining

extension ReportPage {
  /// In what the arms differ, what they have in common, the text and the machine.
  func settingSection() throws -> PageSection {
    let arms = try results.study.arms.map { arm in
      let settings = try JSONDecoder().decode(
        SettingTree.self, from: JSONEncoder.readable.encode(arm.experiment)
      ).flattened()
      return Dictionary(settings.filter { $0.name != "seed" }.map { ($0.name, $0.value) }) { first, _ in first }
    }
    let names = Set(arms.flatMap(\.keys)).sorted()
    let differing = names.filter { name in Set(arms.map { $0[name] }).count > 1 }
    let common = names.filter { !differing.contains($0) }
    let titles = results.study.arms.map { labels.label($0.name) }
    let differences = PageTable(
      caption: "Settings in which the arms differ", headings: ["setting"] + titles,
      rows: differing.map { name in ("\(name)", arms.map { textCell($0[name] ?? "–") }) }, isText: true)
    let others = PageTable(
      caption: "Settings of all arms", headings: ["setting", "value"],
      rows: common.map { name in ("\(name)", [textCell(arms[0][name] ?? "–")]) }, isText: true)
    let body: HTML = """
      \(differing.isEmpty ? "" : "<h3>Where the arms differ</h3>\n\(differences.html)" as HTML)\
      \(details("common", "\(arms.count == 1 ? "Every setting" : "What all arms have in common") (\(common.count))", others.html))
      <h3>Text and machine</h3>
      <dl>\(facts.map { "<dt>\($0)</dt><dd>\($1)</dd>\n" as HTML })</dl>
      """
    return PageSection(id: "settings", title: "Settings and machine", body: body)
  }

  private var facts: [(String, String)] {
    let (corpus, machine) = (results.corpus, results.machine)
    return [
      ("text", "\(corpus.source), \(corpus.form)"),
      (
        "tokens",
        "\(grouped(corpus.trainingTokens)) to train on, \(grouped(corpus.validationTokens)) to validate, "
          + "\(grouped(corpus.vocabulary)) different"
      ),
      ("seeds", results.study.seeds.map(String.init).joined(separator: ", ")),
      ("device", results.device),
      (
        "processor",
        "\(machine.processor), \(machine.cores) cores, \(machine.threads) threads, \(machine.kernels) kernels"
          + (machine.hasAMX ? ", AMX" : "")
      ),
      ("memory", "\(fixed(Double(machine.memoryBytes) / 1e9, 1)) GB"), ("system", machine.system),
      ("precision", results.precision.rawValue),
      ("nano-kimi", "\(results.versions.nanoKimi), Swift \(results.versions.swift)"),
    ]
  }
}
