// Keeps what a page shows up to date: it listens to the API's events, and when something happened loads the page again and takes over
// the parts that are marked for it. It makes no part of the page itself, and without it everything else works.
'use strict';
(() => {
  const apart = 700, most = 10000; // between two loads, ms: ten times as long as one takes, within these
  const often = 30000; // without events, ms
  const longest = 30000; // between two attempts to connect, ms
  const said = document.getElementById('said');
  const live = document.getElementById('live');
  const words = { block: 'is blocked', hold: 'is held', observe: 'is observed', release: 'is released' };
  let source = null, retry = 0, wait = 1000, missed = true; // what came between the page and its events
  let loading = false, again = false, loaded = 0, pause = apart, timer = 0;

  const follows = () => document.body.hasAttribute('data-follow');
  const number = (n) => n > 0 && n < 10 ? n.toFixed(1) : Math.round(n).toLocaleString('en-US');

  // Where somebody types or has chosen something, a part stays as it is.
  const busy = (part) => {
    if (part.querySelector('input:checked')) return true;
    const at = document.activeElement;
    return at && part.contains(at) && at.matches('input, select, textarea');
  };

  function takeOver(fresh) {
    for (const part of document.querySelectorAll('[data-live]')) {
      const other = fresh.getElementById(part.id);
      if (!other || busy(part) || part.innerHTML === other.innerHTML) continue;
      const focused = part.contains(document.activeElement) ? document.activeElement.getAttribute('href') : null;
      const open = [...part.querySelectorAll('details')].map((d) => d.open);
      part.replaceChildren(...[...other.childNodes].map((n) => document.adoptNode(n)));
      part.querySelectorAll('details').forEach((d, i) => { if (open[i]) d.open = true; });
      if (focused) [...part.querySelectorAll('a')].find((a) => a.getAttribute('href') === focused)?.focus();
    }
    const as = fresh.querySelector('footer time'), was = document.querySelector('footer time');
    if (as && was) was.replaceWith(document.adoptNode(as));
  }

  async function load() {
    if (loading || document.hidden) { again = true; return; }
    loading = true;
    again = false;
    const begun = performance.now();
    try {
      const answer = await fetch(location.href, { credentials: 'same-origin', cache: 'no-store' });
      if (answer.redirected) { location.reload(); return; } // signed out
      if (answer.ok) takeOver(new DOMParser().parseFromString(await answer.text(), 'text/html'));
    } catch {
      missed = true; // it is not there; the events say when it is back
    }
    loading = false;
    loaded = performance.now();
    pause = Math.min(Math.max(apart, 10 * (loaded - begun)), most);
    if (again) soon();
  }

  // At once, or as soon as the last time is long enough ago.
  function soon() {
    clearTimeout(timer);
    timer = setTimeout(load, Math.max(0, loaded + pause - performance.now()));
  }

  function tell(text) {
    if (live) live.textContent = text;
  }

  function connect() {
    clearTimeout(retry);
    source = new EventSource('/api/v1/events');
    source.onopen = () => {
      wait = 1000;
      tell('Live.');
      if (missed) soon();
      missed = false;
    };
    source.addEventListener('rate', (e) => {
      const text = number(JSON.parse(e.data).lines_per_second);
      for (const at of document.querySelectorAll('[data-rate]')) at.textContent = text;
    });
    for (const [name, what] of Object.entries(words)) {
      source.addEventListener(name, (e) => {
        const entry = JSON.parse(e.data);
        said.textContent = `${new Date().toLocaleTimeString()} ${entry.address} ${what}: ${entry.rule}`;
        soon();
      });
    }
    source.onerror = () => {
      missed = true;
      tell('Not live: the connection is lost; trying again.');
      if (source.readyState !== EventSource.CLOSED) return; // it tries by itself
      retry = setTimeout(connect, wait);
      wait = Math.min(2 * wait, longest);
    };
  }

  // A page that nobody sees takes no connection.
  function turn() {
    if (document.hidden) {
      clearTimeout(retry);
      source?.close();
      source = null;
      missed = true;
    } else if (!source) {
      connect();
    }
  }

  if (follows()) {
    turn();
    document.addEventListener('visibilitychange', turn);
    setInterval(() => { if (!document.hidden) soon(); }, often);
  }
})();
