// Before anything is painted: scripts work, and the last choice of light or dark, if the browser keeps it.
document.documentElement.classList.add("js");
try {
  const theme = localStorage.getItem("ganzoo-theme");
  if (theme === "dark" || theme === "light") document.documentElement.dataset.theme = theme;
} catch {
  // a page from disk may have no storage: the system's choice holds
}
