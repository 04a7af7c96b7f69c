package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// told is a receiver of notices.
type told struct {
	*httptest.Server
	mu    sync.Mutex
	hang  bool // it takes them and does not say so
	ids   map[string]string
	other map[string]bool // ids that came with something else than before
}

func newTold(t *testing.T) *told {
	r := &told{ids: make(map[string]string), other: make(map[string]bool)}
	r.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		var n struct{ ID, Event, Address, Subject string }
		if err := json.NewDecoder(req.Body).Decode(&n); err != nil {
			return // it ended in the middle
		}
		r.mu.Lock()
		text := n.Event + " " + n.Address
		if n.Address == "" {
			text = n.Event + " " + n.Subject
		}
		if before, again := r.ids[n.ID]; again && before != text {
			r.other[n.ID] = true
		}
		r.ids[n.ID] = text
		hang := r.hang
		r.mu.Unlock()
		if hang {
			<-req.Context().Done()
		}
	}))
	t.Cleanup(func() { r.CloseClientConnections(); r.Close() })
	return r
}

// count is how many notices begin so.
func (r *told) count(text string) (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, one := range r.ids {
		if strings.HasPrefix(one, text) {
			n++
		}
	}
	return n
}

func (r *told) set(hang bool) {
	r.mu.Lock()
	r.hang = hang
	r.mu.Unlock()
	r.CloseClientConnections()
}

// People hear of blocks, of what others do by hand and of troubles, each once and with its end, also when the daemon is killed while it tells them; a receiver that
// hangs delays neither a block nor another receiver.
func TestPeopleAreTold(t *testing.T) {
	for _, database := range stores {
		t.Run(database, func(t *testing.T) {
			t.Parallel() // it waits
			hook, other := newTold(t), newTold(t)
			hook.set(true)
			notify := fmt.Sprintf("notify: {webhooks: [{url: '%s/token-1'}, {url: '%s/'}]}", hook.URL, other.URL)
			w := newWorld(t, database, notify)
			w.append(nil)
			d := w.start()
			w.until("the agent is ready", func() bool { s := w.status(); return s != nil && s.Ready })
			var want []string
			scan := func(sources int) {
				var lines []byte
				for range sources {
					source := fmt.Sprintf("203.0.113.%d", len(want)+1)
					want = append(want, source)
					for port := range testPorts + 1 {
						lines = append(lines, sample{at: time.Now().UTC(), src: source, dst: "198.51.100.7", port: 1000 + port, typ: "TRAFFIC", subtype: "drop"}.line()...)
					}
				}
				slices.Sort(want)
				w.append(lines)
			}
			began := time.Now()
			scan(30)
			w.until("they are blocked", func() bool { return slices.Equal(w.tagged(), want) })
			t.Logf("blocked after %v while a receiver hangs", time.Since(began))
			w.until("the other receiver has them", func() bool { return other.count("block 203.0.113.") == 30 })
			if n := hook.count("block"); n > 1 {
				t.Errorf("the one that hangs has %d", n)
			}
			name := "webhook-" + strings.TrimPrefix(hook.URL, "http://")
			w.until("that it waits", func() bool {
				for _, n := range w.status().Notices {
					if n.Receiver == name {
						return n.Waiting >= 30 // and what there is to tell of the firewall's policy
					}
				}
				return false
			})
			if code, metrics := w.get("/metrics"); code != 200 || !strings.Contains(metrics, `activedefense_notices_waiting{receiver="`+name+`"} 3`) || strings.Contains(metrics, "token-1") {
				t.Errorf("the metrics do not say so:\n%s", metrics)
			}
			if _, took := d.stop(); took > 10*time.Second {
				t.Errorf("a stop took %v", took)
			}
			for range 3 { // killed while it delivers
				hook.set(false)
				d = w.start()
				w.until("it delivers", func() bool { return hook.count("block") > 0 })
				d.kill()
			}
			if _, stderr, code := w.run("blacklist", "remove", want[0], "--reason", "a partner"); code != 0 {
				t.Fatal(stderr)
			}
			d = w.start()
			yaml, err := os.ReadFile(w.config)
			if err != nil {
				t.Fatal(err)
			}
			w.until("the agent is ready", func() bool { s := w.status(); return s != nil && s.Ready })
			if _, stderr, code := w.run("blacklist", "pause", "--reason", "too much"); code != 0 {
				t.Fatal(stderr)
			}
			w.write(w.config, append(yaml, "nonsense: 1\n"...))
			d.hangup()
			for _, r := range []*told{hook, other} {
				w.until("everything is told", func() bool {
					return r.count("block 203.0.113.") == 30 && r.count("release-by-hand "+want[0]) == 1 && r.count("reload-refused reload-refused: ") == 1 && r.count("paused paused: nothing is enforced") == 1
				})
			}
			if _, stderr, code := w.run("blacklist", "resume"); code != 0 {
				t.Fatal(stderr)
			}
			w.write(w.config, yaml)
			d.hangup()
			w.until("its end is told", func() bool {
				return hook.count("reload-refused over: ") == 1 && hook.count("resumed over: paused: nothing is enforced") == 1
			})
			for _, r := range []*told{hook, other} {
				if r.mu.Lock(); len(r.other) > 0 {
					t.Errorf("ids that were given twice: %v", r.other)
				}
				r.mu.Unlock()
			}
			if strings.Contains(d.log(), "token-1") {
				t.Error("the log has the URL's secret")
			}
		})
	}
}

// A test says of each receiver what came of it, and needs no daemon.
func TestNotifyTest(t *testing.T) {
	hook := newTold(t)
	down := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(down.Close)
	w := newWorld(t, "sqlite", fmt.Sprintf("notify: {webhooks: [{url: '%s/token-1'}, {url: '%s/token-1'}]}", hook.URL, down.URL))
	name, bad := "webhook-"+strings.TrimPrefix(hook.URL, "http://"), "webhook-"+strings.TrimPrefix(down.URL, "http://")
	stdout, stderr, code := w.run("notify", "test")
	if code != 1 || !strings.Contains(stdout, name+": taken\n") || !strings.Contains(stdout, bad+": FAILED: it answered 404 Not Found") || !strings.Contains(stderr, "1 of 2 receivers") || strings.Contains(stdout+stderr, "token-1") {
		t.Errorf("exit status %d: %s%s", code, stdout, stderr)
	}
	if stdout, stderr, code = w.run("notify", "test", name, "--json"); code != 0 || strings.TrimSpace(stdout) != `{"receiver":"`+name+`"}` || hook.count("notice this is a test from Active Defense on ") != 2 {
		t.Errorf("exit status %d: %s%s", code, stdout, stderr)
	}
	if _, stderr, code = w.run("notify", "test", "pager"); code != 2 || !strings.Contains(stderr, "no such receiver: pager; there are: "+name) {
		t.Errorf("exit status %d: %s", code, stderr)
	}
	if _, stderr, code = newWorld(t, "sqlite", "").run("notify", "test"); code != 1 || !strings.Contains(stderr, "names nobody to tell") {
		t.Errorf("exit status %d: %s", code, stderr)
	}
}
