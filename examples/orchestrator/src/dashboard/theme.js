// Light or dark theme: as the system, until the user presses the button.

const DARK = matchMedia("(prefers-color-scheme: dark)");

/** `changed` is called after each change. */
export function followTheme(button, changed) {
  let chosen = stored();
  const apply = () => {
    const dark = chosen ? chosen === "dark" : DARK.matches;
    document.documentElement.dataset.theme = dark ? "dark" : "light";
    button.textContent = dark ? "Light" : "Dark";
    button.setAttribute("aria-label", dark ? "Light theme" : "Dark theme");
    changed();
  };
  button.addEventListener("click", () => {
    chosen = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
    store(chosen);
    apply();
  });
  DARK.addEventListener("change", apply);
  apply();
}

// Storage may be disabled. The choice then lasts until the page is closed.
function stored() {
  try {
    const value = localStorage.getItem("theme");
    return value === "dark" || value === "light" ? value : undefined;
  } catch {
    return undefined;
  }
}

function store(theme) {
  try {
    localStorage.setItem("theme", theme);
  } catch {
    // See above.
  }
}
