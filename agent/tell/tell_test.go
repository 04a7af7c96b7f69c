package tell

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"activedefense/agent/notify"
	"activedefense/agent/trouble"
	"activedefense/config"
	"activedefense/store"
)

// at is when everything begins.
var at = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

// world is what a teller sees, and a receiver of its notices.
type world struct {
	t    *testing.T
	st   *store.Store
	log  bytes.Buffer
	now  []trouble.Trouble
	seen trouble.Seen
	hook *httptest.Server

	mu  sync.Mutex
	got []string // "event subject" of what was delivered
	ids []string
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, seen: trouble.Seen{Started: at, Now: at.Add(time.Hour), Reading: true}}
	st, err := store.Open(t.Context(), store.Options{Path: filepath.Join(t.TempDir(), "store.db"), Instance: "one"})
	w.must(err)
	t.Cleanup(func() { w.must(st.Close()) })
	w.st = st
	w.hook = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var one struct{ ID, Event, Subject string }
		if err := json.NewDecoder(r.Body).Decode(&one); err != nil {
			t.Error(err)
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		w.got, w.ids = append(w.got, one.Event+" "+one.Subject), append(w.ids, one.ID)
	}))
	t.Cleanup(w.hook.Close)
	return w
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// teller makes one, as a start does; what it tells is delivered if attached.
func (w *world) teller(attached bool) *Teller {
	w.t.Helper()
	n, err := notify.New(notify.Options{Config: &config.Notify{Webhooks: []config.Webhook{{URL: config.Secret(w.hook.URL), Host: "hook"}}}, Name: "one", Logger: zerolog.Nop(), Now: time.Now})
	w.must(err)
	if attached {
		w.must(n.Attach(w.t.Context(), w.st))
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = n.Run(ctx) }()
	w.t.Cleanup(func() { cancel(); <-done })
	return &Teller{Look: func() ([]trouble.Trouble, trouble.Seen) { return w.now, w.seen }, Notices: n, Log: zerolog.New(&w.log)}
}

// delivered waits until that is what was delivered.
func (w *world) delivered(want ...string) {
	w.t.Helper()
	var got []string
	for deadline := time.Now().Add(90 * time.Second); time.Now().Before(deadline); <-time.After(10 * time.Millisecond) {
		w.mu.Lock()
		got = slices.Clone(w.got)
		w.mu.Unlock()
		if len(got) >= len(want) {
			break
		}
	}
	if !slices.Equal(got, want) {
		w.t.Fatalf("delivered is %q, want %q", got, want)
	}
}

// queued is what the store has for the receiver, from the beginning on.
func (w *world) queued() (list []string) {
	w.t.Helper()
	keys, err := w.st.ToldTroubles(w.t.Context())
	w.must(err)
	for _, k := range keys {
		list = append(list, k.Key)
	}
	return list
}

func (w *world) logged(text string) int { return strings.Count(w.log.String(), text) }

func silent() trouble.Trouble {
	return trouble.Trouble{Since: at, What: "input-silent: no line comes from /l/*.log any more", Remedy: "Look", Of: "/l/*.log"}
}

// That an input has fallen silent is logged and told once, and once that it is no more.
func TestATroubleIsToldOnce(t *testing.T) {
	w := newWorld(t)
	teller := w.teller(true)
	changed := silent()
	changed.What += ", the last one at noon"
	for _, w.now = range [][]trouble.Trouble{nil, {silent()}, {changed}, nil, nil} {
		teller.Once(t.Context())
	}
	if begun, over := w.logged(`"level":"warn"`), w.logged("over: input-silent"); begun != 1 || over != 1 || w.logged(`"remedy":"Look"`) != 1 {
		t.Errorf("its beginning is logged %d times, its end %d times", begun, over)
	}
	w.delivered("input-silent "+silent().What, "input-back over: "+silent().What)
}

// A store that gives no answer is logged when that begins; its end is not logged when it has become a store that is away, and is one trouble.
func TestAStoreThatGivesNoAnswerIsTold(t *testing.T) {
	since := at
	hangs, away := trouble.Store(&since, "no answer for 7s", true), trouble.Store(&since, "timed out", false)
	for _, c := range []struct {
		then []trouble.Trouble
		over int
	}{{nil, 1}, {away, 0}} {
		w := newWorld(t)
		teller := w.teller(true)
		for _, w.now = range [][]trouble.Trouble{hangs, hangs, c.then, nil} {
			teller.Once(t.Context())
		}
		if begun, over := w.logged("store: it gives no answer"), w.logged("over: "); begun-over != 1 || over != c.over {
			t.Errorf("then %v: logged %d times, and its end %d times", c.then, begun, over)
		}
		w.delivered("store "+hangs[0].What, "store over: "+hangs[0].What)
	}
}

// After a restart what still stands is not told again, what ended meanwhile is told as over, and what nobody has looked at yet neither.
func TestARestartTellsOnlyWhatIsNew(t *testing.T) {
	w := newWorld(t)
	brake := trouble.Trouble{Since: at, What: "brake: too many"}
	networks := trouble.Trouble{Since: at, What: "networks: one is missing"} // which only many records show
	w.now = []trouble.Trouble{silent(), brake, networks}
	w.teller(true).Once(t.Context())
	w.delivered("input-silent "+silent().What, "brake "+brake.What, "notice "+networks.What)

	w.now = []trouble.Trouble{silent()}
	w.seen.Now = w.seen.Started.Add(time.Minute)
	second := w.teller(true)
	second.Once(t.Context()) // it is too early to say that anything is over
	if got := w.queued(); len(got) != 3 {
		t.Errorf("told and not over are %v", got)
	}
	w.seen.Now = at.Add(time.Hour)
	second.Once(t.Context())
	if got := w.queued(); !slices.Equal(got, []string{"input-silent|/l/*.log", "networks|"}) {
		t.Errorf("told and not over are %v", got)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.got) > 4 {
		t.Errorf("told again: %q", w.got)
	}
}

// While there is no store everything is told all the same, once, and what began before the start is not told to be over when it is not known; when the store is there,
// it learns of it, and nobody hears it a second time.
func TestTroublesAreToldWithoutTheStore(t *testing.T) {
	w := newWorld(t)
	since := at
	away := trouble.Store(&since, "connection refused", false)
	teller := w.teller(false)
	w.seen.Now = at.Add(30 * time.Second)
	w.now = append(slices.Clone(away), silent())
	teller.Once(t.Context())
	w.delivered("store " + away[0].What) // whether the other was told before the start is not known yet
	w.seen.Now = at.Add(2 * time.Minute)
	teller.Once(t.Context())
	teller.Once(t.Context())
	w.delivered("store "+away[0].What, "input-silent "+silent().What)
	w.must(teller.Notices.Attach(t.Context(), w.st))
	w.now = []trouble.Trouble{silent()}
	teller.Once(t.Context())
	w.delivered("store "+away[0].What, "input-silent "+silent().What, "store over: "+away[0].What)
	if got := w.queued(); !slices.Equal(got, []string{"input-silent|/l/*.log"}) {
		t.Errorf("told and not over are %v", got)
	}
	q, err := w.st.Undelivered(t.Context(), "none", nil, 0, 10)
	if err == nil {
		t.Errorf("a receiver that nobody named has %v", q)
	}
	w.now = nil
	teller.Once(t.Context())
	w.delivered("store "+away[0].What, "input-silent "+silent().What, "store over: "+away[0].What, "input-back over: "+silent().What)
}

// Every event of a trouble is one that a configuration can name, and a moment's lag is none.
func TestEventsOfTroubles(t *testing.T) {
	for kind, pair := range events {
		for _, e := range pair {
			if !slices.Contains(config.Events(), e) {
				t.Errorf("%s: the configuration knows no event %q", kind, e)
			}
		}
		if endOf(pair[0]) != pair[1] {
			t.Errorf("%s ends with %s, not %s", pair[0], endOf(pair[0]), pair[1])
		}
	}
	w := newWorld(t)
	lag := trouble.Trouble{Since: w.seen.Now.Add(-30 * time.Second), What: "lag: lines are read late"}
	teller := w.teller(true)
	w.now = []trouble.Trouble{lag}
	teller.Once(t.Context())
	if got := w.queued(); len(got) > 0 {
		t.Errorf("told: %v", got)
	}
	w.seen.Now = w.seen.Now.Add(time.Minute)
	teller.Once(t.Context())
	w.delivered("lag " + lag.What)
}
