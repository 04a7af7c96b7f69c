package firewall_test

import (
	"io"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"activedefense/firewall"
	"activedefense/firewall/panosim"
	"activedefense/firewall/panosim/dialect"
)

// floating has the lab's firewall reached at an address that goes to whichever member of a pair is active. The other one has neither our
// tags, nor our group, nor our list.
func (l *lab) floating(o panosim.Options) *panosim.HA {
	l.t.Helper()
	o.Now, o.APIKey, o.Serial = l.clock.Now, l.sim.Key(), "007000000000002"
	other, err := panosim.Start(o)
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(other.Close)
	at, err := url.Parse(other.URL())
	if err != nil {
		l.t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(at)
	proxy.Transport = other.Transport()
	pair := panosim.Pair(l.sim, other, panosim.PairOptions{Sync: panosim.SyncOff})
	newFront(l.t, l, func(w http.ResponseWriter, r *http.Request, form url.Values) bool {
		if pair.Active() != other {
			return false
		}
		text := form.Encode()
		r.Body, r.ContentLength = io.NopCloser(strings.NewReader(text)), int64(len(text))
		proxy.ServeHTTP(w, r)
		return true
	})
	return pair
}

// lost checks what a pass says of a loss: it was seen to be gone, and what was written since is not said to be seen before it was read.
func (l *lab) lost(r firewall.Report, gone int, lostAt time.Time) {
	l.t.Helper()
	if len(r.Gone) != gone {
		l.t.Errorf("%d are said to be gone instead of %d", len(r.Gone), gone)
	}
	if now := l.clock.Now(); !r.ReadAt.IsZero() && (r.ReadAt.After(now) || r.ReadAt.Before(lostAt)) || r.SeenAt.After(now) || !r.SeenAt.IsZero() && r.SeenAt.Before(lostAt) {
		l.t.Errorf("read at %s, seen at %s: it lost them at %s, and it is %s", r.ReadAt, r.SeenAt, lostAt, now)
	}
}

// However a firewall comes to lose tags, one pass brings it level, and what it wrote then is read back in that pass.
func TestOnePassBringsALoserLevel(t *testing.T) {
	for name, lose := range map[string]func(*lab, *panosim.HA) int{
		"cleared": func(l *lab, _ *panosim.HA) int { l.sim.Addresses().Clear("vsys1"); return 700 },
		"another agent": func(l *lab, _ *panosim.HA) int {
			for i := range 30 {
				if err := l.sim.Addresses().Unregister("vsys1", host(10+i), tag); err != nil {
					l.t.Fatal(err)
				}
			}
			return 30
		},
		"restarted": func(l *lab, _ *panosim.HA) int { l.sim.Reboot(); return 700 },
		"failed over": func(l *lab, pair *panosim.HA) int {
			if err := pair.Failover(); err != nil {
				l.t.Fatal(err)
			}
			l.sim = pair.Active()
			return 0 // it is another firewall, of which nothing was known
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := dialect.Dialect{Counting: dialect.CountingElement, TimerOverReboot: dialect.TimerDropsTag}
			l := newLab(t, func(o *panosim.Options) { o.Dialect = d }, func(o *labOptions) { o.BatchSize = 100 })
			pair := l.floating(panosim.Options{Dialect: d})
			desired := l.entries(0, 700)
			l.level(desired)
			l.clock.move(time.Minute)
			gone := lose(l, pair)
			if got := l.sim.Addresses().Tagged("vsys1", tag); len(got) == len(desired) {
				t.Fatal("it has lost nothing")
			}
			r := l.pass(desired, false)
			l.stands(desired)
			l.lost(r, gone, l.clock.Now())
			if r.Unread != 0 || len(r.Seen) < max(gone, 30) {
				t.Errorf("%d are unread, %d seen", r.Unread, len(r.Seen))
			}
		})
	}
}

// The same of a group: what somebody else takes out of it, and the other member of a pair that was not synchronized. A restart and a
// clearing of registered addresses take nothing from a configuration.
func TestOnePassBringsAGroupLevel(t *testing.T) {
	const group = vsys1 + "/address-group/entry[@name='" + tag + "']"
	addresses := []string{"203.0.113.1", "203.0.113.2", "203.0.113.3"}
	for name, c := range map[string]struct {
		gone int
		lose func(*groupLab, *panosim.HA)
	}{
		"cleared":   {0, func(l *groupLab, _ *panosim.HA) { l.sim.Addresses().Clear("vsys1") }},
		"restarted": {0, func(l *groupLab, _ *panosim.HA) { l.sim.Reboot() }},
		"another agent": {2, func(l *groupLab, _ *panosim.HA) {
			for _, a := range addresses[:2] {
				if err := l.sim.Config().Edit("somebody", "delete", group+"/static/member[text()='"+tag+"-"+a+"']", ""); err != nil {
					l.t.Fatal(err)
				}
			}
			if err := l.sim.Config().Commit("somebody"); err != nil {
				l.t.Fatal(err)
			}
			l.wants(addresses[2])
		}},
		"failed over": {3, func(l *groupLab, pair *panosim.HA) {
			if err := pair.Failover(); err != nil {
				l.t.Fatal(err)
			}
			l.sim = pair.Active()
			l.wants()
		}},
	} {
		t.Run(name, func(t *testing.T) {
			l := newGroupLab(t, nil)
			pair := l.floating(panosim.Options{Admin: "svc-activedefense"})
			l.group = l.over(l.device)
			l.pass(l.block(addresses...), true)
			l.wants(addresses...)
			l.clock.move(5 * time.Minute)
			c.lose(l, pair)
			lostAt := l.clock.Now()
			r := l.pass(l.block(addresses...), true)
			l.wants(addresses...)
			l.lost(r, c.gone, lostAt)
			if len(r.Registered) != c.gone || len(r.Seen) < c.gone {
				t.Errorf("%d come, %d are seen", len(r.Registered), len(r.Seen))
			}
		})
	}
}

// The same of a list: what a fetch from somewhere else left, and the other member of a pair, which never fetched it. A firewall that
// restarts keeps its copy, and clearing registered addresses takes nothing from it.
func TestOnePassBringsAListLevel(t *testing.T) {
	addresses := []string{"192.0.2.1/32", "192.0.2.2/32", "192.0.2.3/32"}
	for name, c := range map[string]struct {
		gone int
		lose func(*listLab, *panosim.HA)
	}{
		"cleared":   {0, func(l *listLab, _ *panosim.HA) { l.sim.Addresses().Clear("vsys1") }},
		"restarted": {0, func(l *listLab, _ *panosim.HA) { l.sim.Reboot() }},
		"another agent": {2, func(l *listLab, _ *panosim.HA) {
			l.serve(addresses[:1]...)
			l.sim.Lists().Fetch()
		}},
		"failed over": {0, func(l *listLab, pair *panosim.HA) {
			if err := pair.Failover(); err != nil {
				l.t.Fatal(err)
			}
			l.sim = pair.Active()
		}},
	} {
		t.Run(name, func(t *testing.T) {
			l := newListLab(t, nil, nil)
			pair := l.floating(panosim.Options{Config: l.config("their-name", ""), FetchTimeout: 10 * time.Second})
			l.list = l.newList(t, nil)
			desired := l.serve(addresses...)
			if _, err := l.list.Reconcile(t.Context(), desired, true); err != nil {
				t.Fatal(err)
			}
			l.clock.move(5 * time.Minute)
			c.lose(l, pair)
			lostAt := l.clock.Now()
			l.serve(addresses...)
			r, err := l.list.Reconcile(t.Context(), desired, true)
			if err != nil || r.Standing != len(desired) {
				t.Fatalf("%d stand, %v", r.Standing, err)
			}
			held := l.held()
			for _, e := range desired {
				if !held[e.Prefix] {
					t.Errorf("%s is not held", e.Prefix)
				}
			}
			l.lost(r, 0, lostAt) // the pass has it fetched before it reads
			if r.ReadAt.IsZero() {
				t.Error("it does not say when it was read")
			}
		})
	}
}

// held is what the firewall holds of the list.
func (l *listLab) held() map[netip.Prefix]bool {
	l.t.Helper()
	n, err := firewall.ShowList(l.t.Context(), l.device, "their-name")
	if err != nil {
		l.t.Fatal(err)
	}
	h, err := firewall.ParseHeldList(n)
	if err != nil {
		l.t.Fatal(err)
	}
	return h.Entries
}
