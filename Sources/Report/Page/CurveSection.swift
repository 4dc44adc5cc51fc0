internal import NanoExperiments

extension ReportPage {
  /// The loss curves, which the page's script draws.
  func curveSection() -> PageSection? {
    guard results.models.contains(where: { !$0.curve.isEmpty }) else { return nil }
    let seeds =
      results.study.seeds.count > 1
      ? " A line is the mean over an arm’s seeds, its band reaches from the lowest to the highest." : ""
    let body: HTML = """
      \(note("Validation loss, \(unit).\(seeds) Point at the chart, or use the arrow keys on it, to read it; "
        + "press a name to hide its line."))\
      <figure id='loss-chart'>
      <div class='controls'>
      <fieldset><legend>over</legend>
      <label><input type='radio' id='axis-step' name='axis' value='step' checked>steps</label>
      <label><input type='radio' id='axis-seconds' name='axis' value='seconds'>time</label></fieldset>
      <fieldset><legend>show</legend>
      <label><input type='radio' id='part-all' name='part' value='all' checked>all</label>
      <label><input type='radio' id='part-half' name='part' value='half'>second half</label></fieldset>
      <label><input type='checkbox' id='training' name='training'>training loss, dashed</label>
      </div>
      <div class='plot' role='img' aria-label='Validation loss of every arm over training'></div>
      <noscript><p>The curves need JavaScript. Their points are in <a href='results.json'>results.json</a>.</p></noscript>
      </figure>
      """
    return PageSection(id: "curves", title: "Curves", body: body)
  }
}
