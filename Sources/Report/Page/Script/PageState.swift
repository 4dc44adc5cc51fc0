extension PageScript {
  /// What the page knows: its data, and what a reader had set before it was read again.
  static let state = #"""
    "use strict";
    const data = JSON.parse(document.getElementById("data").textContent);
    const mean = (values) => values.reduce((a, b) => a + b, 0) / values.length;
    const grouped = (x) => x.toLocaleString("en-US");

    // What a reader had set before the page was read again.
    const kept = JSON.parse(sessionStorage.getItem("report")) || {open: [], checked: [], off: {}};
    sessionStorage.removeItem("report");
    for (const id of kept.open) document.getElementById(id)?.setAttribute("open", "");
    for (const id of kept.checked) {
      const input = document.getElementById(id);
      if (input) input.checked = true;
    }
    """#
}
