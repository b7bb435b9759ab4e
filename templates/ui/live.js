// What runs now, asked for again each second as long as somebody looks. When a run has begun or ended, the page is another one.
const place = document.querySelector('[data-live]');
let before = null;

async function look() {
  let pause = 3000;
  if (!document.hidden) {
    try {
      const answer = await fetch(place.dataset.live);
      if (answer.ok) {
        const found = new DOMParser().parseFromString(await answer.text(), 'text/html').querySelector('.live');
        const runs = found.dataset.runs;
        if (before !== null && before !== runs) {
          location.reload();
          return;
        }
        before = runs;
        place.replaceChildren(found);
        if (runs) pause = 1000;
      }
    } catch {
      // The server was stopped; it may come back.
    }
  }
  setTimeout(look, pause);
}

if (place) look();
