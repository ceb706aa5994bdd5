(function () {
  "use strict";
  function all(selector, root) { return Array.from((root || document).querySelectorAll(selector)); }
  function make(tag, name, parent) {
    var part = document.createElement(tag);
    part.className = name;
    if (parent) parent.appendChild(part);
    return part;
  }

  // Sorting: best first, then worst first, then as it was. What is missing stays below.
  all("table.sheet").forEach(function (table) {
    var body = table.tBodies[0], heads = all("tr.heads th", table), before = Array.from(body.rows);
    if (before.length < 2) return;
    heads.forEach(function (head, column) {
      // No button element: browsers leave those out of headings that are printed again on the next sheet.
      var button = make("span", "sort");
      button.tabIndex = 0;
      button.setAttribute("role", "button");
      while (head.firstChild) button.appendChild(head.firstChild);
      head.appendChild(button);
      var numbers = before.some(function (row) { return row.cells[column].hasAttribute("data-v"); });
      var turns = numbers ? ["descending", "ascending"] : ["ascending", "descending"];
      function key(row) {
        var cell = row.cells[column], value = cell.getAttribute("data-v");
        if (value !== null) return Number(value);
        return numbers || cell.classList.contains("faint") ? null : cell.textContent.trim();
      }
      button.addEventListener("keydown", function (event) {
        if (event.key === "Enter" || event.key === " ") { event.preventDefault(); button.click(); }
      });
      button.addEventListener("click", function () {
        var turn = turns[turns.indexOf(head.getAttribute("aria-sort")) + 1], rows = before.slice();
        heads.forEach(function (other) { other.removeAttribute("aria-sort"); });
        if (turn) {
          head.setAttribute("aria-sort", turn);
          rows.sort(function (a, b) {
            var x = key(a), y = key(b);
            if (x === null || y === null) return (x === null) - (y === null);
            var order = numbers ? x - y : x.localeCompare(y, undefined, { numeric: true });
            return turn === "ascending" ? order : -order;
          });
        }
        rows.forEach(function (row) { body.appendChild(row); });
      });
    });
  });

  // Filtering: every word must occur in the row or card.
  all("[data-filter]").forEach(function (list) {
    var table = list.tagName === "TABLE", items = table ? Array.from(list.tBodies[0].rows) : Array.from(list.children);
    if (items.length < 4) return;
    var texts = items.map(function (item) { return item.textContent.toLowerCase(); });
    var caption = table && list.caption, inside = caption && !caption.classList.contains("unseen");
    var bar = make("span", "find", inside ? caption : null), label = make("label", "", bar), said = make("span", "", bar);
    label.textContent = "Filter";
    var field = make("input", "", label), place = table ? list.parentNode : list;
    field.type = "search";
    field.setAttribute("aria-label", "Filter " + (place.getAttribute("aria-label") || "rows"));
    said.setAttribute("role", "status");
    field.addEventListener("input", function () {
      var words = field.value.toLowerCase().split(/\s+/).filter(Boolean), shown = 0;
      items.forEach(function (item, index) {
        item.hidden = !words.every(function (word) { return texts[index].includes(word); });
        shown += !item.hidden;
      });
      said.textContent = words.length ? shown + " of " + items.length : "";
    });
    if (!inside) place.parentNode.insertBefore(bar, place);
  });

  // What is folded is printed, too; documents to browse are opened one by one.
  var opened = [];
  window.addEventListener("beforeprint", function () {
    all("details:not([open])").forEach(function (part) { part.open = true; opened.push(part); });
  });
  window.addEventListener("afterprint", function () {
    opened.splice(0).forEach(function (part) { part.open = false; });
  });
})();
