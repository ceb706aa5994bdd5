document.querySelectorAll("table.sheet").forEach(function (table) {
  var body = table.tBodies[0], heads = table.querySelectorAll("tr.heads th");
  if (!body || body.rows.length < 2) return;
  heads.forEach(function (head, column) {
    head.classList.add("sortable");
    head.tabIndex = 0;
    function key(row) {
      var cell = row.cells[column], value = cell.getAttribute("data-v");
      return value === null ? cell.textContent.trim() : Number(value);
    }
    function sort() {
      var up = head.getAttribute("aria-sort") === "descending";
      heads.forEach(function (other) { other.removeAttribute("aria-sort"); });
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      Array.from(body.rows).sort(function (a, b) {
        var x = key(a), y = key(b), order;
        if (typeof x !== typeof y) return typeof x === "number" ? -1 : 1;
        order = typeof x === "number" ? x - y : x.localeCompare(y);
        return up ? order : -order;
      }).forEach(function (row) { body.appendChild(row); });
    }
    head.addEventListener("click", sort);
    head.addEventListener("keydown", function (event) {
      if (event.key === "Enter" || event.key === " ") { event.preventDefault(); sort(); }
    });
  });
});

(function () {
  var opened = [];
  window.addEventListener("beforeprint", function () {
    document.querySelectorAll("details:not([open])").forEach(function (part) {
      part.open = true;
      opened.push(part);
    });
  });
  window.addEventListener("afterprint", function () {
    opened.splice(0).forEach(function (part) { part.open = false; });
  });
})();
