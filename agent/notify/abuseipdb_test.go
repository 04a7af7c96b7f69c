package notify

import (
	"encoding/csv"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"activedefense/config"
	"activedefense/store"
)

// database is a server that speaks AbuseIPDB's API, version 2.
type database struct {
	*httptest.Server
	mu       sync.Mutex
	reported []report
	bulks    int
	answer   func(path string, calls int) (status int, retryAfter string) // 0: it is taken
	poison   string                                                       // an address with which it takes no call
	singles  int                                                          // calls of one report
}

type report struct{ address, categories, at, comment string }

func newDatabase(t *testing.T, answer func(path string, calls int) (int, string)) *database {
	d := &database{answer: answer}
	calls := 0
	d.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d.mu.Lock()
		defer d.mu.Unlock()
		calls++
		if r.Header.Get("Key") != "secret-key" || r.Header.Get("Accept") != "application/json" {
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprint(w, `{"errors":[{"detail":"Authentication failed.","status":401}]}`)
			return
		}
		if d.answer != nil {
			if status, after := d.answer(r.URL.Path, calls); status != 0 {
				w.Header().Set("Retry-After", after)
				w.WriteHeader(status)
				fmt.Fprintf(w, `{"errors":[{"detail":"it is refused","status":%d}]}`, status)
				return
			}
		}
		switch r.URL.Path {
		case "/report":
			if d.singles++; r.FormValue("ip") == d.poison {
				w.WriteHeader(http.StatusBadRequest)
				return
			}
			d.reported = append(d.reported, report{r.FormValue("ip"), r.FormValue("categories"), r.FormValue("timestamp"), r.FormValue("comment")})
			fmt.Fprint(w, `{"data":{"ipAddress":"127.0.0.1","abuseConfidenceScore":52}}`)
		case "/bulk-report":
			d.bulks++
			file, _, err := r.FormFile("csv")
			if err != nil {
				t.Error(err)
				return
			}
			rows, err := csv.NewReader(file).ReadAll()
			if err != nil || len(rows) > 10_000 || strings.Join(rows[0], ",") != "IP,Categories,ReportDate,Comment" {
				t.Errorf("%d rows, %v: %v", len(rows), rows[0], err)
				return
			}
			if slices.ContainsFunc(rows, func(row []string) bool { return row[0] == d.poison }) {
				w.WriteHeader(http.StatusUnprocessableEntity)
				return
			}
			for _, row := range rows[1:] {
				d.reported = append(d.reported, report{row[0], row[1], row[2], row[3]})
			}
		case "/check":
		default:
			t.Errorf("it is asked for %s", r.URL.Path)
		}
	}))
	t.Cleanup(d.Close)
	return d
}

func (d *database) addresses() (list []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, r := range d.reported {
		list = append(list, r.address)
	}
	return list
}

// reporting is a world in which there is one, and its receiver.
func reporting(t *testing.T, d *database, perDay int) (*world, *Notifier) {
	w := newWorld(t)
	n, _ := reportingIn(w, d, perDay)
	return w, n
}

func reportingIn(w *world, d *database, perDay int) (n *Notifier, stop func()) {
	w.cfg.AbuseIPDB = config.AbuseIPDB{APIKey: "secret-key", PerDay: perDay}
	w.base = d.URL
	return w.start()
}

// What is reported is proven, public, by the detector and young, once in a quarter of an hour, in words that name neither users nor addresses of ours.
func TestAbuseIPDBHearsOfProvenAttackersAlone(t *testing.T) {
	d := newDatabase(t, func(_ string, calls int) (int, string) {
		if calls == 2 {
			return http.StatusUnprocessableEntity, "" // an address that it does not take: the others follow
		}
		return 0, ""
	})
	w, n := reporting(t, d, 100)
	var want []report
	for _, c := range []struct{ rule, target, categories string }{
		{"port-scan", "198.51.100.7", "14"}, {"refused", "", ""}, {"host-sweep", "port 22", "14"}, {"probe", "30 targets", "14"}, {"login", "logins of LAB-FW-01", "18"},
		{"vulnerability", "SSH User Authentication Brute Force Attempt (40015)", "18,22"}, {"vulnerability", "40001", "5,18"}, {"vulnerability", "Log4j (91991)", "15"}, {"neighbourhood-of-ours", "", "15"},
	} {
		address := w.block(1, func(b *store.Block) {
			b.Rule, b.Target, b.Reason = c.rule, c.target, "5 failed logins of anna at 198.51.100.7"
		})[0]
		if c.rule != "refused" {
			want = append(want, report{address: address, categories: c.categories})
		}
	}
	w.block(1, func(b *store.Block) { b.Grade = store.Forgeable })
	w.block(1, func(b *store.Block) { b.By = "anna" })
	w.block(1, func(b *store.Block) { b.LastSeen = time.Now().Add(-25 * time.Hour) })
	w.block(1, func(b *store.Block) { b.State, b.Hold = store.Held, "a partner" })
	w.block(1, func(b *store.Block) { b.Address = prefix("203.0.113.0/24") })
	again := prefix(want[0].address + "/32")
	_, err := w.st.Release(t.Context(), again, "anna", "try it again", time.Now())
	w.must(err)
	w.block(1, func(b *store.Block) { b.Address = again })
	w.block(1, func(b *store.Block) {
		b.Address, b.Members = prefix("2001:db8:1:2::/64"), []netip.Addr{netip.MustParseAddr("2001:db8:1:2::7"), netip.MustParseAddr("2001:db8:1:2::8")}
	})
	want = append(want, report{address: "2001:db8:1:2::7", categories: "14"})
	last := w.block(1)[0]
	want = append(want, report{address: last, categories: "14"})
	w.until("the last", func() bool { return slices.Contains(d.addresses(), last) })
	w.until("that nothing waits", func() bool { return state(n, "abuseipdb").Waiting == 0 })
	for i, r := range d.reported {
		if i >= len(want) || r.address != want[i].address || r.categories != want[i].categories {
			t.Fatalf("%d is %+v, want %+v", i, r, want)
		}
		if at, err := time.Parse(time.RFC3339, r.at); err != nil || time.Since(at) > time.Minute || strings.Contains(r.comment, "anna") || strings.Contains(r.comment, "198.51") || !strings.Contains(r.comment, "11 log records") {
			t.Errorf("%+v", r)
		}
	}
	if len(d.reported) != len(want) || d.bulks != 0 {
		t.Errorf("%d reports, %d bulks", len(d.reported), d.bulks)
	}
}

// Many go in one call; where the account has no more of these, one by one; no more than per_day in a day, over a restart too.
func TestAbuseIPDBGetsManyAtOnceAndNoMoreThanPerDay(t *testing.T) {
	d := newDatabase(t, func(path string, calls int) (int, string) {
		if path == "/bulk-report" && calls > 1 {
			return http.StatusTooManyRequests, "29241"
		}
		return 0, ""
	})
	w := newWorld(t)
	n, stop := reportingIn(w, d, 160)
	noon := time.Now().UTC().Truncate(24 * time.Hour).Add(36 * time.Hour) // tomorrow, so that no day ends in the test
	w.setClock(time.Until(noon))
	young := func(b *store.Block) { b.LastSeen, b.BlockedAt = noon, noon }
	want := w.block(100, young)
	w.until("the bulk", func() bool { return len(d.addresses()) == 100 })
	want = append(want, w.block(59, young)...)
	w.until("a refused bulk", func() bool { return state(n, "abuseipdb").Failing })
	w.setClock(time.Until(noon.Add(2 * time.Second)))
	n.receivers[0].wake.Wake()
	w.until("the others, one by one", func() bool { return len(d.addresses()) == 159 })
	stop()
	w.block(1, func(b *store.Block) { b.Grade = store.Forgeable })
	want = append(want, w.block(2, young)...)
	n, _ = reportingIn(w, d, 160)
	w.until("the last of the day", func() bool { return len(d.addresses()) == 160 && state(n, "abuseipdb").Error != "" })
	if s := state(n, "abuseipdb"); s.Waiting != 1 || !strings.Contains(s.Error, "per_day") || s.Failing {
		t.Errorf("its state is %+v", s)
	}
	w.setClock(time.Until(noon.Add(12*time.Hour + time.Second)))
	n.receivers[0].wake.Wake()
	w.until("the next day's", func() bool { return len(d.addresses()) == 161 })
	if err := onceEach(d.addresses(), want); err != nil || d.bulks != 1 {
		t.Errorf("%d bulks: %v", d.bulks, err)
	}
}

// Retry-After is kept to.
func TestAbuseIPDBIsAskedWhenItSays(t *testing.T) {
	d := newDatabase(t, func(_ string, calls int) (int, string) {
		if calls == 1 {
			return http.StatusTooManyRequests, "3600"
		}
		return 0, ""
	})
	w, n := reporting(t, d, 100)
	w.block(1)
	w.until("a failure", func() bool { return state(n, "abuseipdb").Failing })
	for _, c := range []struct {
		ahead time.Duration
		tries uint64
	}{{59 * time.Minute, 1}, {61 * time.Minute, 1}} {
		w.setClock(c.ahead)
		n.receivers[0].wake.Wake()
		if c.ahead > time.Hour {
			w.until("the report", func() bool { return len(d.addresses()) == 1 })
		}
		if f := state(n, "abuseipdb").Failures; f != c.tries {
			t.Errorf("after %v %d calls failed", c.ahead, f)
		}
	}
}

// A bulk that is refused as such, for one of its reports or for being too many, is parted; the report that is refused alone is given up, and the others follow. Where
// every report is refused, few are given up.
func TestAbuseIPDBRefusesOneReportAndTheOthersFollow(t *testing.T) {
	d := newDatabase(t, nil)
	d.poison = "203.0.0.70"
	w, n := reporting(t, d, 1000)
	want := w.block(160)
	ahead := time.Duration(0)
	pass := func() {
		ahead += time.Second
		w.setClock(ahead)
		n.receivers[0].wake.Wake()
	}
	w.until("the others", func() bool { pass(); return len(d.addresses()) == 159 && state(n, "abuseipdb").Waiting == 0 })
	if err := onceEach(d.addresses(), slices.DeleteFunc(want, func(a string) bool { return a == d.poison })); err != nil {
		t.Error(err)
	}
	if s := state(n, "abuseipdb"); s.GivenUp != 1 || s.Failing || d.singles == 160 || !strings.Contains(w.log.String(), `"address":"203.0.0.70"`) {
		t.Errorf("%d calls of one, %+v, %s", d.singles, s, w.log.String())
	}
	d.mu.Lock()
	d.answer = func(string, int) (int, string) { return http.StatusUnprocessableEntity, "" }
	d.mu.Unlock()
	w.block(20)
	w.until("a failure", func() bool {
		pass()
		s := state(n, "abuseipdb")
		return s.Failing && s.Waiting == 20-mostInRow
	})
	if s := state(n, "abuseipdb"); s.GivenUp != 1+mostInRow {
		t.Errorf("all are refused: %+v", s)
	}
}
