// The human check: a worker solves a challenge while the form is filled in, and the solution goes
// along with it. Where anything of this fails the form goes as it is, and the desk decides.
"use strict";
(() => {
  const form = document.querySelector("form[data-solver]");
  const solution = form.elements.altcha;
  const words = document.getElementById("checking");
  const MARGIN = 15; // seconds that the way to the desk may take
  const PATIENCE = 60; // seconds after which nobody waits any longer
  const AGAIN = 10; // seconds after which a form that went may go once more

  let work = null; // under way or done
  let ends = 0; // when its solution is worth nothing any more
  let waits = false; // the button was pressed, and the form is not gone yet
  let isGone = false;

  async function solve() {
    solution.value = "";
    ends = Infinity;
    const answer = await fetch("challenge", { cache: "no-store" });
    if (!answer.ok) throw new Error(`the desk said ${answer.status}`);
    const { parameters, signature, valid_for } = await answer.json();
    ends = Date.now() + (valid_for - MARGIN) * 1000;
    const worker = new Worker(form.dataset.solver);
    try {
      const found = await new Promise((done, failed) => {
        worker.onmessage = (message) => done(message.data);
        worker.onerror = failed;
        worker.postMessage(parameters);
      });
      const payload = { challenge: { parameters, signature }, solution: found };
      solution.value = btoa(JSON.stringify(payload));
    } finally {
      worker.terminate();
    }
  }

  function begin() {
    work = solve().catch(() => { ends = 0; });
  }

  // The page may have stood open for hours.
  function refresh() {
    if (Date.now() > ends) begin();
  }

  async function submit(event) {
    if (isGone || waits) return event.preventDefault(); // the button was pressed twice
    if (!solution.value || Date.now() > ends) {
      event.preventDefault();
      waits = true;
      words.textContent = words.dataset.waiting;
      refresh();
      await Promise.race([work, new Promise((late) => setTimeout(late, PATIENCE * 1000))]);
      waits = false;
      form.submit();
    }
    isGone = true;
    setTimeout(restart, AGAIN * 1000);
  }

  // The page is still there: it was kept while another was shown, or the answer never came.
  function restart() {
    isGone = false;
    words.textContent = "";
    begin();
  }

  if (!window.isSecureContext) {
    words.textContent = words.dataset.insecure || "";
    return;
  }
  begin();
  form.addEventListener("focusin", refresh);
  form.addEventListener("submit", submit);
  window.addEventListener("pageshow", (event) => { if (event.persisted) restart(); });
})();
