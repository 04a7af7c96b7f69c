package main

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"activedefense/agent"
	"activedefense/agent/explain"
)

// replaceDatabase has the next start find a database that knows nothing.
func (w *world) replaceDatabase(database string) {
	w.t.Helper()
	if database == "postgresql" {
		data, err := os.ReadFile(w.config)
		if err != nil {
			w.t.Fatal(err)
		}
		_, rest, _ := bytes.Cut(data, []byte(`store: {url: "`))
		before, _, _ := bytes.Cut(rest, []byte(`"`))
		w.write(w.config, bytes.Replace(data, before, []byte(newDatabase(w.t)), 1))
		return
	}
	files, err := filepath.Glob(filepath.Join(w.dir, "state", agent.DatabaseFile+"*"))
	if err != nil || len(files) == 0 {
		w.t.Fatal(files, err)
	}
	for _, file := range files {
		if err := os.Remove(file); err != nil {
			w.t.Fatal(err)
		}
	}
}

// A start onto a database that was emptied, or is another one, must not empty the list.
func TestADatabaseThatWasReplacedShrinksNothing(t *testing.T) {
	for _, database := range stores {
		t.Run(database, func(t *testing.T) {
			w := newWorld(t, database, "")
			samples := generate(2000, time.Now().UTC(), rand.New(rand.NewPCG(71, 72)))
			want := judge(samples)
			w.append(text(samples))
			d := w.start()
			w.expect(samples)
			d.stop()
			w.replaceDatabase(database)

			d = w.start()
			w.until("/readyz says why and what to do", func() bool {
				code, body := w.get("/readyz")
				return code == 503 && strings.Contains(body, "emptied") && strings.Contains(body, "delete "+w.dir)
			})
			w.until("it was tried several times", func() bool { s := w.status(); return s != nil && s.Store.Failures >= 3 })
			if code, list := w.list(); code != 200 || !slices.Equal(slices.Sorted(slices.Values(list)), want) {
				t.Errorf("the list answers %d with %d entries instead of %d", code, len(list), len(want))
			}
			if !slices.Equal(w.tagged(), want) {
				t.Errorf("the firewall holds %d instead of %d", len(w.tagged()), len(want))
			}
			if n := strings.Count(d.log(), "emptied"); n != 1 {
				t.Errorf("it was logged %d times", n)
			}
			d.stop()
			d = w.start()
			w.until("the next start refuses it, too", func() bool { code, body := w.get("/readyz"); return code == 503 && strings.Contains(body, "emptied") })

			if err := os.Remove(filepath.Join(w.dir, "state", "database.json")); err != nil {
				t.Fatal(err)
			}
			w.until("it goes on when it is told to", func() bool { s := w.status(); return s != nil && s.Ready })
			w.expect(samples) // all lines were read again
			if code, _ := d.stop(); code != 0 {
				t.Errorf("exit status %d", code)
			}
		})
	}
}

func TestAFirewallThatWasRenamedIsNotNamedAnyMore(t *testing.T) {
	t.Parallel() // it waits for time to pass
	w := newWorld(t, "sqlite", "")
	samples := generate(2000, time.Now().UTC(), rand.New(rand.NewPCG(81, 82)))
	w.append(text(samples))
	d := w.start()
	w.expect(samples)
	noted := func(name string) func() bool { // with what it holds, and that no rule of it stops that
		return func() bool {
			x := jsonLines[explain.Explanation](w, "blacklist", "show", portScanner(samples))
			return len(x) == 1 && len(x[0].Enforced) == 1 && x[0].Enforced[0].Firewall == name && x[0].Enforced[0].State == "pending" && !x[0].Enforced[0].SeenAt.IsZero() &&
				strings.Contains(x[0].Enforced[0].Fault, "no dynamic address group has a filter that matches")
		}
	}
	w.until("it is noted under its name", noted("LAB-FW-01"))
	d.stop()
	data, err := os.ReadFile(w.config)
	if err != nil {
		t.Fatal(err)
	}
	w.write(w.config, bytes.Replace(data, []byte("{name: LAB-FW-01"), []byte("{name: LAB-FW-02"), 1))
	x := jsonLines[explain.Explanation](w, "blacklist", "show", portScanner(samples))
	if len(x) != 1 || len(x[0].Enforced) != 2 || !x[0].Enforced[0].Unknown || x[0].Enforced[1].Firewall != "LAB-FW-02" || x[0].Enforced[1].State != "unknown" {
		t.Errorf("before the next start: %+v", x)
	}
	w.start()
	w.until("it is noted under its new name alone", noted("LAB-FW-02"))
}
