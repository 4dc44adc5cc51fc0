extension PageScript {
  /// How the page follows a study that goes on.
  static let news = #"""
    // While a study goes on the page is read again, and is as the reader had set it.
    function readAgain() {
      const ids = (selector) => [...document.querySelectorAll(selector)].map((part) => part.id);
      const off = Object.fromEntries(LineChart.all.map((chart) => [chart.figure.id, [...chart.off]]));
      const state = {open: ids("details[open]"), checked: ids("input:checked"), off};
      sessionStorage.setItem("report", JSON.stringify(state));
      location.reload();
    }

    if (data.refreshSeconds) {
      const written = document.getElementById("written");
      const tellAge = () => {
        const minutes = Math.round((Date.now() - Date.parse(written.dateTime)) / 60000);
        written.textContent = minutes < 1 ? "just now" : `${grouped(minutes)} min ago`;
      };
      tellAge();
      setInterval(tellAge, 10000);
      setInterval(() => {
        // Not while somebody reads a chart.
        if (!document.hidden && !document.querySelector(".plot:hover, .plot:focus, .keys :focus")) readAgain();
      }, data.refreshSeconds * 1000);
    }
    """#
}
