package notify

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"activedefense/config"
	"activedefense/store"
)

// Whatever a receiver answers, and at whatever moment the process is killed: it gets every notice, the first time in their order, and again only what it had while
// the process was killed or its answer did not come, under the same id.
func TestWhateverHappensEveryNoticeIsDelivered(t *testing.T) {
	w := newWorld(t)
	var mu sync.Mutex
	var answers []string // to come
	var got []string     // ids of what it took, whether it said so or not
	h := newHook(t, func(_ int, rw http.ResponseWriter, r *http.Request) bool {
		mu.Lock()
		defer mu.Unlock()
		answer := "ok"
		if len(answers) > 0 {
			answer, answers = answers[0], answers[1:]
		}
		switch answer {
		case "refuse":
			rw.WriteHeader(http.StatusServiceUnavailable)
			return false
		case "break": // it took it, and its answer is lost
			got = append(got, r.Header.Get("webhook-id"))
			panic(http.ErrAbortHandler)
		}
		got = append(got, r.Header.Get("webhook-id"))
		return true
	})
	w.cfg.Webhooks = []config.Webhook{h.config()}
	start := func() *receiver {
		n, err := New(w.options())
		w.must(err)
		w.must(n.Attach(t.Context(), w.st))
		return n.receivers[0]
	}
	start()
	ahead, db := time.Duration(0), w.raw()
	rapid.Check(t, func(rt *rapid.T) {
		mu.Lock()
		answers, got = nil, nil
		mu.Unlock()
		var want []string
		q, err := w.st.Undelivered(t.Context(), start().key, nil, 0, 10)
		w.must(err)
		if q.Waiting > 0 {
			rt.Fatalf("%d are left of before", q.Waiting)
		}
		repeats := 0
		r := start()
		for range rapid.IntRange(1, 12).Draw(rt, "steps") {
			switch rapid.SampledFrom([]string{"block", "block", "refuse", "break", "deliver", "kill", "kill before it is noted"}).Draw(rt, "step") {
			case "block":
				w.block(rapid.IntRange(1, 3).Draw(rt, "blocks"))
			case "refuse":
				mu.Lock()
				answers = append(answers, "refuse")
				mu.Unlock()
			case "break":
				mu.Lock()
				answers = append(answers, "break")
				mu.Unlock()
				repeats++
			case "deliver":
				ahead += time.Hour
				w.setClock(ahead)
				r.once(t.Context())
			case "kill":
				r = start()
			case "kill before it is noted":
				send := r.send
				r.send = func(ctx context.Context, notices []store.Notice) (int, error) {
					done, err := send(ctx, notices)
					r.notifier.store.Store(nil)
					return done, err
				}
				ahead += time.Hour
				w.setClock(ahead)
				r.once(t.Context())
				r.send = send
				repeats += 3 * 12 // what it had until it ended
				r = start()
			}
		}
		q, err = w.st.Undelivered(t.Context(), r.key, nil, 0, 1000)
		w.must(err)
		mu.Lock()
		answers = nil
		mu.Unlock()
		r = start()
		r.once(t.Context())
		for _, n := range q.Notices {
			want = append(want, n.ID)
		}
		var first []string
		for _, id := range got {
			if !slices.Contains(first, id) {
				first = append(first, id)
			}
		}
		if len(got)-len(first) > repeats {
			rt.Fatalf("%d were repeated", len(got)-len(first))
		}
		if !slices.Equal(first[len(first)-len(want):], want) {
			rt.Fatalf("it got %v, and %v waited", first, want)
		}
		if q, err = w.st.Undelivered(t.Context(), r.key, nil, 0, 10); err != nil || q.Waiting > 0 {
			rt.Fatalf("%d wait: %v", q.Waiting, err)
		}
		numbers, err := db.Query(`SELECT key FROM notices ORDER BY id DESC LIMIT ?`, len(first))
		w.must(err)
		defer numbers.Close()
		for i := len(first) - 1; numbers.Next(); i-- {
			var key string
			w.must(numbers.Scan(&key))
			if first[i] != key {
				rt.Fatalf("%d is %s, not %s", i, first[i], key)
			}
		}
	})
}
