// The reader's theme, before anything is drawn; the server wrote it too, this mends kept pages.
"use strict";

(function () {
  function apply() {
    const match = /(?:^|; )hw_theme=(light|dark)/.exec(document.cookie);
    const root = document.documentElement;
    if (match) root.setAttribute("data-theme", match[1]);
    else root.removeAttribute("data-theme");
  }
  apply();
  window.addEventListener("pageshow", apply);
})();
