// Buttons that change the prompt. The page is made anew while one types, so that the document listens.
document.addEventListener("click", (event) => {
  const button = event.target.closest?.("button[data-prompt], button[data-known]");
  const box = document.querySelector("#prompt textarea, #prompt input");
  if (!button || !box) return;
  const { prompt, word, known } = button.dataset;
  const setter = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(box), "value").set;
  const whole = new RegExp(`(?<![\\p{L}\\p{N}_])${word}(?![\\p{L}\\p{N}_])`, "giu");
  setter.call(box, prompt ?? box.value.replace(whole, known));
  box.dispatchEvent(new Event("input", { bubbles: true }));
  box.focus();
});

// The player of the tab Morph: all frames are in one wide picture, of which one is shown.
const morph = { share: 0, direction: 0, last: 0 }; // share of the second prompt; 1 forth, -1 back, 0 still
const SHOWN_MS = 1000 / 30;

function showFrame(player) {
  const frames = Number(player.dataset.frames);
  const frame = Math.round(morph.share * (frames - 1));
  player.querySelector(".strip").style.backgroundPositionX = `${(100 * frame) / (frames - 1)}%`;
  player.querySelector("input").value = frame;
  player.querySelector("[data-play]").textContent = morph.direction ? "Pause" : "Play";
}

function playFrames(now) {
  const player = document.querySelector(".morph");
  if (!morph.direction || !player) return;
  const steps = Math.floor((now - morph.last) / SHOWN_MS);
  if (steps > 0) {
    morph.last += steps * SHOWN_MS;
    morph.share += (morph.direction * steps) / (Number(player.dataset.frames) - 1);
    if (morph.share >= 1 || morph.share <= 0) morph.direction = morph.share >= 1 ? -1 : 1;
    morph.share = Math.min(1, Math.max(0, morph.share));
    showFrame(player);
  }
  requestAnimationFrame(playFrames);
}

document.addEventListener("click", (event) => {
  const button = event.target.closest?.("[data-play]");
  if (!button) return;
  morph.direction = morph.direction ? 0 : morph.share >= 1 ? -1 : 1;
  morph.last = performance.now();
  showFrame(button.closest(".morph"));
  requestAnimationFrame(playFrames);
});

document.addEventListener("input", (event) => {
  const player = event.target.closest?.(".morph");
  if (!player) return;
  morph.direction = 0;
  morph.share = event.target.value / (Number(player.dataset.frames) - 1);
  showFrame(player);
});

// New frames of a changed prompt appear where the old ones were
new MutationObserver(() => {
  for (const player of document.querySelectorAll(".morph:not([data-ready])")) {
    player.dataset.ready = "";
    showFrame(player);
  }
}).observe(document, { childList: true, subtree: true });
