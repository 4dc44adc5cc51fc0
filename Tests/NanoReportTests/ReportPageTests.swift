import Foundation
import NanoExperiments
import NanoTestSupport
import Testing

@testable import NanoReport

/// Names and texts that would do harm if they were markup.
private let hostile = "</script><script>console.error('run')</script>\"'><img src=x onerror=alert(1)> & \u{1}"

/// A study of two arms and three seeds, or one, with everything that a page shows.
private struct SampleStudy {
  let folder: TemporaryFolder
  let results: StudyResults

  init(seeds: [UInt64] = [1, 2, 3]) throws {
    folder = try TemporaryFolder()
    var runs: [RunResult] = []
    for (index, seed) in seeds.enumerated() {
      for (name, loss) in [("first", 1.7369), ("second", 1.6759)] {
        var result = try run(name, loss: loss + 0.01 * Double(index), stepMs: 1234.5678)
        result.seed = seed
        result.title = "\(name) \(hostile), seed \(seed)"
        runs.append(result)
      }
    }
    var study = try NanoReportTests.results(
      .publishedCharacters, runs, arms: [.nanoGPT, .nanoKimi], optimum: 1.5
    ).study
    study.seeds = seeds
    for index in study.arms.indices {
      study.arms[index].name = ["first", "second"][index]
      study.arms[index].title = "\(study.arms[index].name) \(hostile)"
    }
    study.arms[1].experiment.batchSize = 17
    var corpus = try NanoReportTests.results(.publishedCharacters, [], arms: [.nanoGPT], optimum: 1.5).corpus
    corpus.source = "/texts/\(hostile)"
    results = StudyResults(study, corpus: corpus, models: runs)
    let path = "\(folder.path)/\(study.runs[0].name)"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    let samples: [[String: Any]] = [["step": 0, "prompt": hostile, "text": "it wrote \(hostile)"]]
    try JSONSerialization.data(withJSONObject: samples).write(to: URL(fileURLWithPath: "\(path)/samples.json"))
    try Data(Self.record.utf8).write(to: URL(fileURLWithPath: "\(path)/metrics.jsonl"))
    try StudyReport.write(results, to: folder.path)
  }

  /// A step of a model with a mixture of two experts.
  private static let record = """
    {"balanceLoss":0,"checkpointsActivations":false,"currentTensorBytes":1,"gradientNorm":1,\
    "largestAttentionLogits":[1],"learningRate":0.1,"loss":1,"microBatches":1,"mixtures":[{"deadExperts":0,\
    "largestBias":0,"largestRouterLogit":1,"loadEntropy":0.6,"loads":[0.25,0.75],"maximalViolation":0.5,\
    "routerEntropy":0.6,"smallestBias":0}],"nll":1,"peakTensorBytes":1,"residentBytes":1,"seconds":1,"step":0,\
    "tokensPerSecond":1,"updateSeconds":0.1,"zLoss":0}

    """

  var page: String {
    get throws { try String(contentsOfFile: "\(folder.path)/report.html", encoding: .utf8) }
  }
}

@Suite(.enabled(if: Browser.isInstalled, "no Chromium is installed")) struct ReportPageTests {
  /// Nothing is loaded from elsewhere either: the page's policy would complain.
  @Test(arguments: [[1], [1, 2, 3]] as [[UInt64]]) func browsersHaveNothingToComplainOf(seeds: [UInt64]) throws {
    let page = try Browser.open(SampleStudy(seeds: seeds).page)
    #expect(page.console == [])
    for id in ["losses", "curves", "figures", "experts", "samples", "settings", "again"] {
      #expect(page.document.contains("<section id=\"\(id)\""), "\(id)")
    }
    // What the console shows is seen.
    #expect(try Browser.open(SampleStudy(seeds: seeds).page, then: "fail()").console.count == 1)
  }

  @Test func everyFigureIsThatOfTheResults() throws {
    let study = try SampleStudy()
    let document = try Browser.open(study.page).document
    let file = try Data(contentsOf: URL(fileURLWithPath: "\(study.folder.path)/results.json"))
    let results = try JSONSerialization.jsonObject(with: file)
    var keys: Set<Substring> = []
    let figure = #/data-path="(?<path>[^"]+)"(?: data-scale="(?<scale>[^"]+)")?>(?<text>[^<]*)</#
    for match in document.matches(of: figure) {
      var value: Any? = results
      for key in match.path.split(separator: ".") {
        value = Int(key).map { (value as? [Any])?[$0] } ?? (value as? [String: Any])?[String(key)]
      }
      let number = try #require(value as? Double, "\(match.path)")
      let text = match.text.replacing(",", with: "")
      let shown = try #require(Double(text), "\(match.path): \(match.text)")
      let decimals = text.split(separator: ".").dropFirst().first?.count ?? 0
      let exact = number * (match.scale.flatMap { Double($0) } ?? 1)
      #expect(abs(shown - exact) <= 0.5000001 * pow(10, -Double(decimals)), "\(match.path): \(match.text)")
      keys.insert(match.path.split(separator: ".").last!)
    }
    for key in ["bestValidationLoss", "parameters", "trainStepMeanMs", "peakTensorBytes", "mean", "0", "1"] {
      #expect(keys.contains(Substring(key)), "\(key)")
    }
  }

  /// A dot's place, read on its axis, is the figure beside it.
  @Test func dotsStandWhereTheirAxisSays() throws {
    let script = """
      const wrong = [];
      for (const table of document.querySelectorAll(".dots")) {
        const middle = (part) => { const box = part.getBoundingClientRect(); return (box.left + box.right) / 2; };
        const ticks = [...table.querySelectorAll(".scale i")].map((tick) => [middle(tick), +tick.textContent]);
        const [low, high] = [ticks[0], ticks[ticks.length - 1]];
        for (const row of table.querySelectorAll("tbody tr:not(.scale)")) {
          const at = middle(row.querySelector(".mean"));
          const value = low[1] + (at - low[0]) / (high[0] - low[0]) * (high[1] - low[1]);
          const text = +row.querySelector("[data-path]").textContent;
          if (!(Math.abs(value - text) < 0.01 * (high[1] - low[1]))) wrong.push(`${value} for ${text}`);
        }
      }
      document.body.dataset.wrong = JSON.stringify(wrong) + document.querySelectorAll(".dots").length;
      """
    #expect(try Browser.open(SampleStudy().page, then: script).document.contains("data-wrong=\"[]2\""))
  }

  @Test func curvesAreReadOutAndHidden() throws {
    let script = """
      const plot = document.querySelector("#loss-chart .plot");
      const keys = [...document.querySelectorAll("#loss-chart .keys button")];
      const press = (key) => plot.dispatchEvent(new KeyboardEvent("keydown", {key, bubbles: true}));
      const values = () => keys.map((key) => key.querySelector(".value").textContent).join(" ");
      const lines = () => plot.querySelectorAll(".line:not(.thin)").length;
      const found = [values(), lines()];
      press("Home");
      found.push(document.querySelector("#loss-chart .position").textContent, values());
      press("ArrowRight");
      found.push(values());
      keys[0].click();
      found.push(keys[0].getAttribute("aria-pressed"), lines(), values().trim());
      document.body.dataset.found = found.join("|");
      """
    // The means of three seeds, on the windows that all evaluations read.
    let expected = "2.2469 2.1859|2|after step 0|8.0000 8.0000|2.2469 2.1859|false|1|2.1859"
    let found = try Browser.open(SampleStudy().page, then: script).document
      .firstMatch(of: #/data-found="(?<text>[^"]*)"/#)?.text
    #expect(found ?? "" == expected)
  }

  /// Wide tables scroll by themselves.
  @Test func phonesShowThePageWithoutScrollingSideways() throws {
    let page = try SampleStudy().page
    let wrapper: HTML = """
      <!DOCTYPE html><html><body><iframe width='390' height='800' srcdoc="\(page)"></iframe></body></html>
      """
    let script = """
      const frame = document.querySelector("iframe");
      frame.onload = () => { document.body.dataset.width = frame.contentDocument.documentElement.scrollWidth; };
      """
    let width = try Browser.open(wrapper.source, then: script).document.firstMatch(of: #/data-width="(?<width>\d+)"/#)
    #expect(try #require(width.flatMap { Int($0.width) }) <= 390)
  }

  /// Names stay in view while figures scroll, so they must not fill it.
  @Test func namesLeaveFiguresTheirRoomOnAPhone() throws {
    let page = try SampleStudy(seeds: [1]).page
    let wrapper: HTML = """
      <!DOCTYPE html><html><body><iframe width='390' height='800' srcdoc="\(page)"></iframe></body></html>
      """
    let script = """
      const frame = document.querySelector("iframe");
      frame.onload = () => {
        const names = frame.contentDocument.querySelectorAll("#every-run tbody th");
        document.body.dataset.width = Math.max(...Array.from(names, name => Math.round(name.offsetWidth)));
      };
      """
    let width = try Browser.open(wrapper.source, then: script).document.firstMatch(of: #/data-width="(?<width>\d+)"/#)
    #expect((60...200).contains(try #require(width.flatMap { Int($0.width) })))
  }

  @Test func aPageOfAStudyThatGoesOnIsReadAgain() throws {
    let study = try SampleStudy()
    var begun = study.results
    begun.models = []
    let live = LiveReport(begun, folder: study.folder.path)
    begun.models = [study.results.models[0]]
    try live.didEnd(begun)
    #expect(try study.page.contains("\"refreshSeconds\":15"))
    #expect(try study.page.contains("1 of 6 runs have ended"))
    #expect(try study.page.contains("nothing is decided yet"))
    let page = try Browser.open(study.page)
    #expect(page.console == [] && page.document.contains("just now"))
    try live.close()
    #expect(try !study.page.contains("refreshSeconds\":") && !study.page.contains("http-equiv='refresh'"))
  }
}

@Test func whatIsInterpolatedIsEscaped() {
  let name = "<b title=\"x\" id='y'>&amp;\u{0}\n"
  let html: HTML = "<p class='a'>\(name)</p>"
  #expect(html.source == "<p class='a'>&lt;b title=&quot;x&quot; id=&#39;y&#39;&gt;&amp;amp;\u{FFFD}\n</p>")
  #expect(("<div>\([html, html])</div>" as HTML).source == "<div>\(html.source)\(html.source)</div>")
}

@Test func settingsAreFlattened() throws {
  let json = #"{"b":{"c":[1,2.5],"d":{"_0":{"rate":0.001}}},"a":true,"list":[{"x":1,"y":2},{"x":3,"y":4}],"k":{}}"#
  let settings = try JSONDecoder().decode(SettingTree.self, from: Data(json.utf8)).flattened()
  #expect(
    settings.map { "\($0.name)=\($0.value)" } == [
      "a=true", "b.c=1, 2.5", "b.d.rate=0.001", "k=yes", "list=x 1, y 2; x 3, y 4",
    ])
}

@Test func numbersAreGroupedWithTheirSign() {
  #expect([0, 999, -999, 1_000, -1_234_567].map(grouped) == ["0", "999", "-999", "1,000", "-1,234,567"])
}
