package tell

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"activedefense/agent/edl"
	"activedefense/agent/enforce"
	"activedefense/agent/line"
	"activedefense/agent/members"
	"activedefense/agent/silence"
	"activedefense/agent/trouble"
	"activedefense/config"
	"activedefense/firewall/policy"
	"activedefense/store"
)

// raised is what raises each event: of a trouble, what the parts say of themselves; the second of a pair is told when that is over.
var raised = map[string]func() []trouble.Trouble{
	"firewall-down firewall-up": func() []trouble.Trouble {
		return trouble.Firewalls([]enforce.Status{{Name: "fw1", State: enforce.StateDown, Since: at, Error: "no answer"}}, at.Add(time.Hour))
	},
	"verify-failed verify-passed": func() []trouble.Trouble {
		return trouble.Policies([]enforce.PolicyStatus{{Firewall: "fw1", State: policy.ResultFail, Since: at, Checks: []policy.Check{{Check: policy.CheckBlockRule, Result: policy.ResultFail}}}})
	},
	"input-silent input-back": func() []trouble.Trouble {
		return trouble.Inputs(&line.Status{Heard: []silence.Status{{Pattern: "/l/*.log", Since: at}}})
	},
	"paused resumed": func() []trouble.Trouble {
		return []trouble.Trouble{trouble.Paused(at, at.Add(time.Hour), "anna", "too much")}
	},
	"lag": func() []trouble.Trouble {
		return trouble.Inputs(&line.Status{Inputs: []line.InputStatus{{Path: "/l/a.log", LagSeconds: 600, Behind: 1 << 20}}})
	},
	"brake": func() []trouble.Trouble {
		return trouble.Firewalls([]enforce.Status{{Name: "fw1", Up: true, Brake: "100 of 200"}}, at)
	},
	"capacity": func() []trouble.Trouble {
		since := at
		return trouble.Firewalls([]enforce.Status{{Name: "fw1", Up: true, LeftOut: 1, FullSince: &since}}, at)
	},
	"certificate": func() []trouble.Trouble {
		return trouble.List(&edl.Status{Loaded: true, CertError: "no key"}, &config.Config{}, at, at)
	},
	"key-expiry": func() []trouble.Trouble {
		made, ends := at.Add(-80*24*time.Hour), at.Add(10*24*time.Hour)
		return trouble.Firewalls([]enforce.Status{{Name: "fw1", Up: true, Access: []enforce.Access{{Firewall: "fw1", KeyFile: "/k", Key: enforce.KeyLimited, KeyMade: &made, KeyEnds: &ends}}}}, at)
	},
	"reload-refused": func() []trouble.Trouble {
		since := at
		return trouble.Reload(&since, at, []string{"a fault"}, false)
	},
	"store": func() []trouble.Trouble {
		since := at
		return trouble.Store(&since, "connection refused", false)
	},
	"list-unfetched": func() []trouble.Trouble {
		return trouble.List(&edl.Status{Loaded: true, Fetches: 9, Clients: []edl.Client{{Addr: netip.MustParseAddr("192.0.2.1"), Stopped: true}}}, &config.Config{}, at, at)
	},
	"clock": func() []trouble.Trouble {
		return trouble.Inputs(&line.Status{Inputs: []line.InputStatus{{Path: "/l/a.log", Clock: "an hour behind"}}})
	},
	"notice": func() []trouble.Trouble {
		return trouble.Members([]members.Status{{Name: "south", State: members.Silent, Since: at}}, at.Add(time.Hour))
	},
}

// Every event that a receiver can ask for is raised by something: by a trouble and its end, or by a change of the blacklist.
func TestEveryEventIsRaised(t *testing.T) {
	var known, told []string
	w := newWorld(t)
	teller := w.teller(true)
	for events, troubles := range raised {
		w.now = troubles()
		for i := range w.now {
			if w.now[i].Since.IsZero() {
				w.now[i].Since = at
			}
		}
		subject := w.now[0].What
		teller.Once(t.Context())
		w.now = nil
		teller.Once(t.Context())
		begin, end, _ := strings.Cut(events, " ")
		if end == "" {
			end = begin
		}
		told = append(told, begin+" "+subject, end+" over: "+subject)
		known = append(known, strings.Fields(events)...)
	}

	w.delivered(told...)
	block := func(address string, state store.State) {
		t.Helper()
		_, _, err := w.st.Block(t.Context(), store.Block{Address: netip.MustParsePrefix(address), Rule: "port-scan", Reason: "test", By: store.ByDetector, BlockedAt: time.Now(), State: state})
		w.must(err)
	}
	block("203.0.113.1/32", store.Blocked)
	block("203.0.113.2/32", store.Held)
	_, err := w.st.Release(t.Context(), netip.MustParsePrefix("203.0.113.1/32"), "anna", "a partner", time.Now())
	w.must(err)
	for _, event := range []string{store.EventBlock, store.EventHeld, store.EventReleased} {
		known = append(known, event)
		until(t, event, func() bool {
			w.mu.Lock()
			defer w.mu.Unlock()
			return slices.ContainsFunc(w.got, func(got string) bool { return strings.HasPrefix(got, event+" ") })
		})
	}

	want := config.Events()
	slices.Sort(want)
	if slices.Sort(known); !slices.Equal(known, want) {
		t.Errorf("raised are %q, and there are %q", known, want)
	}
}

// until waits for something that must happen.
func until(t *testing.T, what string, happened func() bool) {
	t.Helper()
	for deadline := time.Now().Add(90 * time.Second); !happened(); <-time.After(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it does not happen: %s", what)
		}
	}
}
