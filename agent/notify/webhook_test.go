package notify

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"activedefense/config"
	"activedefense/store"
)

// hook is a server that takes notices.
type hook struct {
	*httptest.Server
	mu    sync.Mutex
	got   []map[string]any
	heads []http.Header
	raw   [][]byte
	serve func(n int, w http.ResponseWriter, r *http.Request) bool // before it is taken; false: it is not
	// filter gives the status for a body; 0: it is taken
	filter func(content string) int
}

func newHook(t *testing.T, serve func(n int, w http.ResponseWriter, r *http.Request) bool) *hook {
	h := &hook{serve: serve}
	calls := 0
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		content, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		h.mu.Lock()
		calls++
		n := calls
		h.mu.Unlock()
		if h.serve != nil && !h.serve(n, w, r) {
			return
		}
		if h.filter != nil {
			if status := h.filter(string(content)); status != 0 {
				w.WriteHeader(status)
				return
			}
		}
		var one map[string]any
		if err := json.Unmarshal(content, &one); err != nil {
			t.Errorf("no JSON: %v", err)
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		h.got, h.heads, h.raw = append(h.got, one), append(h.heads, r.Header), append(h.raw, content)
	}))
	t.Cleanup(h.Close)
	return h
}

// field gives one field of everything that it got.
func (h *hook) field(name string) (list []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, one := range h.got {
		text, _ := one[name].(string)
		list = append(list, text)
	}
	return list
}

func (h *hook) config(events ...string) config.Webhook {
	return config.Webhook{URL: config.Secret(h.URL + "/hush-1"), Host: strings.TrimPrefix(h.URL, "http://"), Events: events}
}

// A webhook gets one signed object a notice, in order, with the fields of the contract and no others.
func TestAWebhookGetsSignedNotices(t *testing.T) {
	w := newWorld(t)
	h := newHook(t, nil)
	c := h.config()
	c.Secret, c.Headers = "012345678901234567890123", []config.Header{{Name: "Authorization", Value: "Bearer x"}}
	w.cfg.Webhooks = []config.Webhook{c}
	n, _ := w.start()
	addresses := w.block(3)
	w.until("three notices", func() bool { return len(h.field("id")) == 3 })
	w.trouble("firewall-down|fw1", "firewall-down", "firewall-down: fw1 has not answered")
	w.until("four notices", func() bool { return len(h.field("id")) == 4 })
	if got := h.field("address"); !slices.Equal(got, append(addresses, "")) {
		t.Errorf("it got %v, want %v", got, addresses)
	}
	one := h.got[0]
	var keys []string
	for key := range one {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	if !slices.Equal(keys, []string{"address", "country", "device", "event", "hits", "id", "lines", "reason", "rule", "subject", "time"}) {
		t.Errorf("the fields are %v", keys)
	}
	if one["event"] != "block" || one["rule"] != "port-scan" || one["hits"] != 11.0 || one["country"] != "Netherlands" || len(one["lines"].([]any)) != 1 ||
		one["subject"] != addresses[0]+" is blocked: port-scan" || h.got[3]["event"] != "firewall-down" || h.got[3]["lines"] == nil {
		t.Errorf("it got %v and %v", one, h.got[3])
	}
	head := h.heads[0]
	id, at := head.Get("webhook-id"), head.Get("webhook-timestamp")
	if id != one["id"] || strings.Contains(id, ".") || head.Get("Authorization") != "Bearer x" || head.Get("Content-Type") != "application/json" ||
		head.Get("webhook-signature") != "v1,"+signature([]byte("012345678901234567890123"), id, at, h.raw[0]) {
		t.Errorf("the headers are %v", head)
	}
	w.until("that it is noted", func() bool { s := state(n, "webhook-"+c.Host); return s.Delivered == 4 && s.Waiting == 0 && !s.Failing })
}

// The example of the specification's own libraries.
func TestTheSignatureIsThatOfStandardWebhooks(t *testing.T) {
	secret, err := base64.StdEncoding.DecodeString("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	if err != nil {
		t.Fatal(err)
	}
	if got := signature(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", []byte(`{"test": 2432232314}`)); got != "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=" {
		t.Errorf("it is %s", got)
	}
}

// One that redirects, refuses, hangs or answers without an end gets everything in the end, in order and each time under the same id, and stops no other.
func TestABadWebhookStopsNoOther(t *testing.T) {
	w := newWorld(t)
	good := newHook(t, nil)
	elsewhere := newHook(t, nil)
	var ids []string
	var written int
	var mu sync.Mutex
	hang := make(chan struct{})
	t.Cleanup(sync.OnceFunc(func() { close(hang) }))
	bad := newHook(t, func(n int, rw http.ResponseWriter, r *http.Request) bool {
		mu.Lock()
		ids = append(ids, r.Header.Get("webhook-id"))
		mu.Unlock()
		switch n {
		case 1:
			http.Redirect(rw, r, elsewhere.URL, http.StatusTemporaryRedirect)
			return false
		case 2:
			rw.WriteHeader(http.StatusInternalServerError)
			for range 200 << 20 / (64 << 10) {
				if _, err := rw.Write(make([]byte, 64<<10)); err != nil {
					return false
				}
				mu.Lock()
				written += 64 << 10
				mu.Unlock()
			}
			return false
		case 3: // the answer to what it took has no end
			rw.WriteHeader(http.StatusOK)
			for range 100 {
				if _, err := rw.Write(make([]byte, 64<<10)); err != nil {
					break
				}
			}
		}
		return true
	})
	hanging := newHook(t, func(n int, rw http.ResponseWriter, r *http.Request) bool {
		select {
		case <-hang:
		case <-r.Context().Done():
		}
		return false
	})
	w.cfg.Webhooks = []config.Webhook{bad.config(), hanging.config(), good.config()}
	n, stop := w.start()
	addresses := w.block(2)
	w.until("what the good one gets", func() bool { return len(good.field("address")) == 2 })
	w.until("the first failure", func() bool { return state(n, "webhook-"+bad.config().Host).Failing })
	s := state(n, "webhook-"+bad.config().Host)
	if !strings.Contains(s.Error, "a redirect, which is not followed") || strings.Contains(s.Error, "hush-1") || s.Waiting != 2 || s.Oldest == nil {
		t.Errorf("its state is %+v", s)
	}
	for range 2 {
		w.setClock(time.Hour) // the next try is due
		for _, r := range n.receivers {
			r.wake.Wake()
		}
		w.until("another try", func() bool { mu.Lock(); defer mu.Unlock(); return len(ids) >= 2 })
		w.setClock(2 * time.Hour)
	}
	w.until("what the bad one gets", func() bool {
		for _, r := range n.receivers {
			r.wake.Wake()
		}
		return len(bad.field("address")) == 2
	})
	mu.Lock()
	if got := bad.field("address"); onceEach(got, addresses) != nil || !slices.Equal(ids[:3], []string{ids[0], ids[0], ids[0]}) || ids[0] != good.field("id")[0] || ids[3] != good.field("id")[1] {
		t.Errorf("it got %v, and was asked for %v", got, ids)
	}
	if written > 20<<20 { // what buffers hold
		t.Errorf("%d bytes of an answer were read", written)
	}
	mu.Unlock()
	if got := elsewhere.field("id"); len(got) > 0 {
		t.Error("the redirect was followed")
	}
	began := time.Now()
	stop()
	if took := time.Since(began); took > 9*time.Second {
		t.Errorf("a stop took %v while one hangs", took)
	}
}

// An event that a receiver does not want is not sent to it, and holds nothing up.
func TestAReceiverGetsTheEventsThatItWants(t *testing.T) {
	w := newWorld(t)
	h := newHook(t, nil)
	w.cfg.Webhooks = []config.Webhook{h.config("clock", "held")}
	n, _ := w.start()
	w.block(3)
	held := w.block(1, func(b *store.Block) { b.State, b.Hold = store.Held, "it is a partner" })
	w.trouble("clock|", "clock", "clock: it is wrong")
	n.Tell(store.Notice{ID: "a", Event: "store", Subject: "store: away"})
	n.Tell(store.Notice{ID: "b", Event: "clock", Subject: "clock: wrong again"})
	w.until("what it wants", func() bool { return len(h.field("event")) == 3 })
	got := h.field("event")
	slices.Sort(got)
	if !slices.Equal(got, []string{"clock", "clock", "held"}) || !slices.Contains(h.field("address"), held[0]) || !slices.ContainsFunc(h.field("reason"), func(s string) bool { return strings.HasSuffix(s, "; it is a partner") }) {
		t.Errorf("it got %v: %v", got, h.field("reason"))
	}
	w.until("that nothing waits", func() bool { return state(n, n.receivers[0].name).Waiting == 0 })
}

// A process that is killed at any moment of delivery: the next one delivers the rest, and at most what was under way once more, under the same id.
func TestACrashInDeliveryLosesNothing(t *testing.T) {
	w := newWorld(t)
	died := make(chan struct{}, 100)
	h := newHook(t, func(n int, rw http.ResponseWriter, r *http.Request) bool {
		if n%4 == 0 {
			select {
			case died <- struct{}{}:
			default:
			}
		}
		return true
	})
	w.cfg.Webhooks = []config.Webhook{h.config()}
	_, stop := w.start()
	stop()
	var want []string
	for crash := range 5 {
		want = append(want, w.block(6)...)
		n, err := New(w.options())
		w.must(err)
		// What a killed process never does is to note what was delivered: its store ends while the call is under way.
		st, err := store.Open(t.Context(), store.Options{Path: w.path, Instance: "one"})
		w.must(err)
		n.store.Store(st)
		r := n.receivers[0]
		inner := r.send
		calls := 0
		r.send = func(ctx context.Context, notices []store.Notice) (int, error) {
			if calls++; calls > 3+crash {
				return 0, errNoStore
			}
			done, err := inner(ctx, notices)
			if calls == 3+crash {
				n.store.Store(nil) // killed: delivered, and not noted
			}
			return done, err
		}
		r.once(t.Context())
		w.must(st.Close())
	}
	w.start()
	w.until("everything", func() bool {
		return len(times(h.field("address"))) == len(want) && len(h.field("address")) >= len(want)
	})
	ids := times(h.field("id"))
	if len(ids) != len(want) {
		t.Errorf("%d ids for %d notices", len(ids), len(want))
	}
	repeated := 0
	for _, n := range ids {
		repeated += n - 1
	}
	if repeated == 0 || repeated > 5 {
		t.Errorf("%d were repeated in 5 crashes", repeated)
	}
}

// How much waits is known while nothing is taken; and what could not be noted as delivered is not delivered again by the same process.
func TestWhatWaitsIsKnown(t *testing.T) {
	w := newWorld(t)
	var mu sync.Mutex
	down := true
	h := newHook(t, func(n int, rw http.ResponseWriter, r *http.Request) bool {
		mu.Lock()
		defer mu.Unlock()
		if down {
			rw.WriteHeader(http.StatusServiceUnavailable)
		}
		return !down
	})
	w.cfg.Webhooks = []config.Webhook{h.config()}
	n, _ := w.start()
	r := n.receivers[0]
	want := w.block(1)
	w.until("a failure", func() bool { return state(n, r.name).Failing })
	want = append(want, w.block(4)...)
	w.setClock(500 * time.Millisecond) // the next try is not due
	r.wake.Wake()
	w.setClock(3 * time.Second)
	w.until("the number", func() bool { r.wake.Wake(); return state(n, r.name).Waiting == 5 })

	// The disk is full: the store can be read, and not written.
	_, err := w.raw().Exec(`CREATE TRIGGER full BEFORE UPDATE ON notice_receivers BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END`)
	w.must(err)
	mu.Lock()
	down = false
	mu.Unlock()
	w.setClock(time.Hour)
	w.until("all", func() bool { r.wake.Wake(); return len(h.field("address")) == 5 })
	_, err = w.raw().Exec(`DROP TRIGGER full`)
	w.must(err)
	w.until("that it is noted", func() bool {
		r.wake.Wake()
		q, err := w.st.Undelivered(t.Context(), r.key, nil, 0, 10)
		w.must(err)
		return q.Waiting == 0
	})
	if err := onceEach(h.field("address"), want); err != nil {
		t.Error(err)
	}
}

// One notice whose text a filter before a webhook refuses is delivered without it; one that it refuses in any form is given up, and something else told in its place.
func TestABodyThatAFilterRefusesSilencesNoOther(t *testing.T) {
	for _, status := range []int{http.StatusForbidden, http.StatusRequestEntityTooLarge} {
		w := newWorld(t)
		h := newHook(t, nil)
		h.filter = func(content string) int {
			if strings.Contains(content, "DROP TABLE") || strings.Contains(content, `"203.0.0.6"`) {
				return status
			}
			return 0
		}
		w.cfg.Webhooks = []config.Webhook{h.config()}
		want := []string{"203.0.0.1", "203.0.0.2", "203.0.0.3", "203.0.0.4", "203.0.0.5", ""}
		n, _ := w.start()
		name, ahead := n.receivers[0].name, time.Duration(0)
		w.block(6, func(b *store.Block) {
			if b.Address.Addr().String() == want[2] {
				b.Reason = "5 failed logins of '; DROP TABLE users"
			}
		})
		w.until("that nothing waits", func() bool {
			ahead += time.Second
			w.setClock(ahead)
			n.receivers[0].wake.Wake()
			return len(h.field("id")) == len(want) && state(n, name).Waiting == 0
		})
		got, reasons, ids := h.field("address"), h.field("reason"), h.field("id")
		if !slices.Equal(got, want) || strings.Contains(reasons[2], "DROP") || !strings.Contains(reasons[2], "blacklist show 203.0.0.3") || !strings.Contains(reasons[1], "11 ports") ||
			!strings.Contains(h.field("subject")[5], "a notice is refused here") || len(times(ids)) != len(want) {
			t.Errorf("%d: it got %v: %q", status, got, reasons)
		}
		if s := state(n, name); s.GivenUp != 1 || s.Failing {
			t.Errorf("%d: its state is %+v", status, s)
		}
	}
}

// A webhook that refuses everything for some time, at whatever moment that begins and ends, gets everything afterwards, in order.
func TestAWebhookThatRefusesEverythingLosesNothing(t *testing.T) {
	w := newWorld(t)
	h := newHook(t, nil)
	calls, began, ends := 0, 0, 0
	h.filter = func(string) int {
		if calls++; calls > began && calls <= ends {
			return http.StatusForbidden
		}
		return 0
	}
	w.cfg.Webhooks = []config.Webhook{h.config("block")}
	n, err := New(w.options())
	w.must(err)
	w.must(n.Attach(t.Context(), w.st))
	r, ahead := n.receivers[0], time.Duration(0)
	var want []string
	for began = range 3 {
		for refusals := range 9 {
			calls, ends = 0, began+refusals
			want = append(want, w.block(4)...)
			for range 20 {
				ahead += time.Hour
				w.setClock(ahead)
				r.once(t.Context())
			}
			got := slices.DeleteFunc(h.field("address"), func(a string) bool { return a == "" })
			if !slices.Equal(got, want) || r.status.GivenUp > 0 {
				t.Fatalf("refused from the %dth call on for %d: it got %v, %d given up", began, refusals, got, r.status.GivenUp)
			}
		}
	}
}

// A trouble is told before the blocks that wait for a slow webhook, also over a restart, and once.
func TestATroubleGoesBeforeBlocks(t *testing.T) {
	w := newWorld(t)
	h := newHook(t, func(n int, rw http.ResponseWriter, r *http.Request) bool {
		<-time.After(2 * time.Millisecond)
		return true
	})
	w.cfg.Webhooks = []config.Webhook{h.config()}
	n, stop := w.start()
	want := w.block(300)
	w.until("the first blocks", func() bool { return len(h.field("event")) > 3 })
	w.trouble("clock|", "clock", "clock: it is wrong")
	w.until("the trouble", func() bool { return slices.Contains(h.field("event"), "clock") })
	stop()
	if got := len(h.field("event")); got > 290 {
		t.Errorf("it came as the %dth", got)
	}
	w.trouble("lag|", "lag", "lag: it is late")
	_, stop = w.start()
	w.until("the other trouble", func() bool { return slices.Contains(h.field("event"), "lag") })
	stop()
	n, _ = w.start()
	w.until("the blocks", func() bool { return len(h.field("event")) >= 302 && state(n, n.receivers[0].name).Waiting == 0 })
	var got []string
	for _, address := range h.field("address") {
		if address != "" && !slices.Contains(got, address) {
			got = append(got, address)
		}
	}
	if repeated := len(h.field("id")) - len(times(h.field("id"))); !slices.Equal(got, want) || repeated > 2 { // a stop may come between a delivery and its answer
		t.Errorf("it got %d blocks and %v, of which %d were repeated", len(got), times(h.field("event")), repeated)
	}
}

// What waits for a webhook at a wrong URL goes to the corrected one, and what waits for one that is named no more is said with its number.
func TestACorrectedURLGetsWhatWaits(t *testing.T) {
	w := newWorld(t)
	wrong := newHook(t, func(_ int, rw http.ResponseWriter, _ *http.Request) bool {
		rw.WriteHeader(http.StatusNotFound)
		return false
	})
	right := newHook(t, nil)
	w.cfg.Webhooks = []config.Webhook{wrong.config()}
	n, stop := w.start()
	want := w.block(4)
	w.until("that they wait", func() bool { s := state(n, n.receivers[0].name); return s.Failing && s.Waiting == 4 })
	stop()
	w.cfg.Webhooks = []config.Webhook{right.config()}
	n, stop = w.start()
	w.until("what waited", func() bool { return len(right.field("address")) == 4 })
	if err := onceEach(right.field("address"), want); err != nil {
		t.Error(err)
	}
	w.until("that it is noted", func() bool { return state(n, n.receivers[0].name).Waiting == 0 })
	stop()
	w.block(3)
	w.cfg = config.Notify{Syslog: config.Syslog{Network: "udp", Address: "127.0.0.1:9"}}
	w.start()
	if log := w.log.String(); !strings.Contains(log, `"waiting":4,"to":["`+n.receivers[0].name+`"]`) || !strings.Contains(log, `"receiver":"webhook","waiting":3`) || strings.Contains(log, "hush-1") {
		t.Errorf("the log is %s", log)
	}
}

// Over a reload a receiver that takes nothing has taken nothing since it failed first, and what was counted goes on.
func TestAReloadIsNoEndOfAFailure(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var well atomic.Bool
	h := newHook(t, func(_ int, rw http.ResponseWriter, _ *http.Request) bool {
		if !well.Load() {
			rw.WriteHeader(http.StatusInternalServerError)
		}
		return well.Load()
	})
	w.cfg.Webhooks = []config.Webhook{h.config()}
	name := "webhook-" + h.config().Host
	first, stop := w.start()
	w.block(1)
	w.until("a failure", func() bool { return state(first, name).Failing })
	stop()
	before := state(first, name)
	second, err := New(w.options())
	w.must(err)
	second.Continue(first)
	if s := state(second, name); !s.Failing || !s.Since.Equal(*before.Since) || s.Error != before.Error || s.Failures != before.Failures {
		t.Errorf("before it is tried again it is %+v instead of %+v", s, before)
	}
	w.must(second.Attach(t.Context(), w.st))
	r := second.receivers[0]
	r.once(t.Context())
	if s := state(second, name); !s.Failing || !s.Since.Equal(*before.Since) || s.Failures != before.Failures+1 {
		t.Errorf("after another failure it is %+v", s)
	}
	well.Store(true)
	r.notBefore = time.Time{}
	r.once(t.Context())
	if s := state(second, name); s.Failing || s.Since != nil || s.Delivered != 1 {
		t.Errorf("after it took a notice it is %+v", s)
	}
}
