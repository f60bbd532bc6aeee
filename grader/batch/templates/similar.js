(() => {
  // A link to a pair, or to a stretch in it, opens it.
  const open = () => {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    const pair = target && target.closest(".pair");
    if (!pair) return;
    pair.querySelector("details").open = true;
    target.scrollIntoView();
  };
  addEventListener("hashchange", open);
  open();
})();
