import Foundation

/// The page at `/`: one prompt, continued by two models side by side. It needs nothing from elsewhere.
enum ServerPage {
  static let html = Data(
    """
    <!doctype html>
    <html lang="en">
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>nano-kimi</title>
    <link rel="icon" href="data:,">
    <style>
      :root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
      body { max-width: 70rem; margin: 2rem auto; padding: 0 1rem }
      textarea, input, select, button { font: inherit }
      textarea { width: 100%; box-sizing: border-box }
      form > p { display: flex; flex-wrap: wrap; gap: 1rem; align-items: center }
      input { width: 5rem }
      section { display: grid; grid-template-columns: repeat(auto-fit, minmax(18rem, 1fr)); gap: 2rem }
      output { display: block; margin-top: 0.5rem; white-space: pre-wrap; overflow-wrap: anywhere; min-height: 6rem }
      .error { color: #c33 }
    </style>
    <h1>nano-kimi</h1>
    <form>
      <textarea name="prompt" rows="3" aria-label="Prompt">Once upon a time</textarea>
      <p>
        <label>Tokens <input name="tokens" type="number" min="1" max="4096" value="150"></label>
        <label>Temperature <input name="temperature" type="number" min="0" max="10" step="0.1" value="0.8"></label>
        <label>Seed <input name="seed" type="number" min="0" value="1"></label>
        <button>Write</button> <button type="button" name="stop" disabled>Stop</button>
      </p>
    </form>
    <section></section>
    <script>
      const form = document.querySelector("form"), section = document.querySelector("section");
      let names = [], running = null;
      function column(selected) {
        const article = document.createElement("article");
        const select = document.createElement("select");
        select.setAttribute("aria-label", "Model");
        for (const name of names) select.add(new Option(name, name, false, name === selected));
        article.append(select, document.createElement("output"));
        section.append(article);
      }
      async function write(article, signal) {
        const output = article.querySelector("output");
        output.className = "";
        output.textContent = form.prompt.value;
        try {
          const answer = await fetch("/v1/completions", {
            method: "POST", signal, headers: {"Content-Type": "application/json"},
            body: JSON.stringify({
              model: article.querySelector("select").value, prompt: form.prompt.value, stream: true,
              max_tokens: form.tokens.valueAsNumber, temperature: form.temperature.valueAsNumber,
              seed: form.seed.valueAsNumber
            })
          });
          if (!answer.ok) throw new Error((await answer.json()).error.message);
          const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
          for (let rest = "", part; !(part = await reader.read()).done;) {
            const events = (rest + part.value).split("\\n\\n");
            rest = events.pop();
            for (const event of events)
              if (event !== "data: [DONE]")
                output.textContent += JSON.parse(event.slice(6)).choices.map(choice => choice.text).join("");
          }
        } catch (error) {
          if (error.name === "AbortError") return;
          output.className = "error";
          output.textContent = error.message;
        }
      }
      form.onsubmit = async event => {
        event.preventDefault();
        running?.abort();
        const own = running = new AbortController();
        form.stop.disabled = false;
        await Promise.all([...section.children].map(article => write(article, own.signal)));
        if (running === own) form.stop.disabled = true;
      };
      form.stop.onclick = () => running?.abort();
      fetch("/v1/models").then(answer => answer.json()).then(list => {
        names = list.data.map(model => model.id);
        names.slice(0, 2).forEach(column);
      });
    </script>

    """.utf8)
}
