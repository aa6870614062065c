// The one box that says what is under the pointer or has the keyboard.

const tip = document.getElementById("tip");

// What has the keyboard and its text: the box goes with it when the page scrolls, as it does to show what Tab leads to.
let keyed = null;

function say(text, x, y) {
  keyed = null;
  tip.textContent = text;
  tip.hidden = false;
  const { width, height } = tip.getBoundingClientRect();
  const left = Math.max(6, Math.min(x + 14, innerWidth - width - 6));
  const below = y + 18 + height > innerHeight;
  // Through the object model, which the page's policy allows where it forbids style attributes.
  tip.style.left = `${left}px`;
  tip.style.top = `${Math.max(6, below ? y - height - 12 : y + 18)}px`;
}

function sayAt(text, element) {
  const box = element.getBoundingClientRect();
  say(text, box.left + box.width / 2, box.top + box.height / 2);
  keyed = { text, element };
}

function silent() {
  tip.hidden = true;
}

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") silent();
});
document.addEventListener(
  "scroll",
  () => {
    if (!tip.hidden && keyed && keyed.element === document.activeElement) sayAt(keyed.text, keyed.element);
    else silent();
  },
  { passive: true, capture: true },
);
