// A table that is wider than the screen can be scrolled by keyboard.
const wide = new ResizeObserver((parts) => {
  for (const { target } of parts) target.tabIndex = target.scrollWidth > target.clientWidth ? 0 : -1;
});
addEventListener("load", () => document.querySelectorAll(".md-typeset__scrollwrap").forEach((part) => wide.observe(part)));
