package firewall_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"activedefense/firewall/panosim"
	"activedefense/firewall/panosim/dialect"
	"activedefense/firewall/xmlapi"
)

// TestFaultsInAnyOrder lets calls go wrong in every way, whether carried out or not, and wants the firewall level
// afterwards, with no secret in any error.
func TestFaultsInAnyOrder(t *testing.T) {
	dialects := dialect.All()
	effects := []panosim.Effect{
		panosim.Deliver, panosim.Hang, panosim.Reset, panosim.HTML, panosim.Empty, panosim.Truncate, panosim.Break, panosim.WrongType, panosim.Garbage, panosim.Pad,
		panosim.SessionTimeout, panosim.InternalError, panosim.Forbidden,
	}
	kinds := []string{"", panosim.KindUserID, panosim.KindRegisteredIP, panosim.KindSystemInfo}
	for seed := range uint64(40) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(seed, 7))
			dialect := dialects[r.IntN(len(dialects))]
			l := newLab(t, func(o *panosim.Options) { o.Dialect = dialect }, func(o *labOptions) {
				o.BatchSize, o.Timeout = 20, 50*time.Millisecond
			})
			desired := l.entries(0, 120)
			for range 25 {
				l.sim.ClearFaults()
				for range r.IntN(4) {
					l.sim.AddFaults(panosim.Fault{
						Effect: effects[r.IntN(len(effects))], Kind: kinds[r.IntN(len(kinds))], Skip: r.IntN(4), Calls: 1 + r.IntN(4),
						Applied: r.IntN(2) == 0, Status: []int{0, 302, 404, 502, 504}[r.IntN(5)], Delay: 60 * time.Millisecond * time.Duration(r.IntN(2)),
					})
				}
				// A block comes or goes, and somebody interferes.
				if i := r.IntN(len(desired)); r.IntN(2) == 0 && len(desired) > 60 {
					desired = append(desired[:i:i], desired[i+1:]...)
				} else {
					desired = append(desired, l.entries(1000+r.IntN(1000), 1)...)
				}
				_ = l.sim.Addresses().Unregister("vsys1", host(r.IntN(120)), tag) // one that does not stand is no trouble
				report, err := l.fw.Reconcile(t.Context(), desired, r.IntN(3) == 0)
				if report.Braked != nil {
					t.Fatalf("braked: %v", report.Braked)
				}
				if err != nil {
					inspectError(t, l, err)
				}
			}
			l.sim.ClearFaults()
			l.clock.move(time.Minute)
			// The short timeout that lets faults pass quickly can be too short for a busy machine.
			for clean, tries := 0, 0; clean < 2; tries++ {
				r, err := l.fw.Reconcile(t.Context(), desired, true)
				if err == nil && r.Backlog == 0 {
					clean++
				} else if err != nil && !xmlapi.Transient(err) || tries > 500 {
					t.Fatalf("not level after %d passes: %v", tries, err)
				}
			}
			l.stands(desired)
			if n := l.sim.Stats().MaxInFlight; n > 5 {
				t.Errorf("%d calls in flight", n)
			}
		})
	}
}

func inspectError(t *testing.T, l *lab, err error) {
	t.Helper()
	var e *xmlapi.Error
	if !errors.As(err, &e) || e.Kind == "" || !strings.HasPrefix(err.Error(), "firewall LAB-FW-01: ") {
		t.Errorf("an error without kind or name: %#v", err)
	}
	for chain := err; chain != nil; chain = errors.Unwrap(chain) {
		if strings.Contains(chain.Error(), l.opts.APIKey) {
			t.Errorf("the key is in %q", chain)
		}
	}
}

func TestKindsOfTrouble(t *testing.T) {
	tests := []struct {
		name      string
		trouble   func(*lab)
		kind      string
		transient bool
		text      string
	}{
		{"gone", func(l *lab) { l.sim.Close() }, xmlapi.KindUnreachable, true, "refused"},
		{"reset", fault(panosim.Fault{Effect: panosim.Reset}), xmlapi.KindUnreachable, true, ""},
		{"hangs", fault(panosim.Fault{Effect: panosim.Hang}), xmlapi.KindTimeout, true, "the request timed out"},
		{"503", fault(panosim.Fault{Effect: panosim.HTML}), xmlapi.KindHTTP, true, "503"},
		{"404", fault(panosim.Fault{Effect: panosim.HTML, Status: 404}), xmlapi.KindHTTP, false, "404"},
		{"redirect", fault(panosim.Fault{Effect: panosim.HTML, Status: 302}), xmlapi.KindHTTP, false, "302"},
		{"HTML with 200", fault(panosim.Fault{Effect: panosim.HTML, Status: 200}), xmlapi.KindMalformed, true, "html"},
		{"empty", fault(panosim.Fault{Effect: panosim.Empty}), xmlapi.KindMalformed, true, "empty"},
		{"truncated", fault(panosim.Fault{Effect: panosim.Truncate}), xmlapi.KindMalformed, true, ""},
		{"broken off", fault(panosim.Fault{Effect: panosim.Break}), xmlapi.KindMalformed, true, "the response was truncated"},
		{"garbage", fault(panosim.Fault{Effect: panosim.Garbage}), xmlapi.KindMalformed, true, ""},
		{"session timeout", fault(panosim.Fault{Effect: panosim.SessionTimeout}), xmlapi.KindAPI, true, "Session timed out (code 22)"},
		{"just started", fault(panosim.Fault{Effect: panosim.Forbidden}), xmlapi.KindAuth, false, "Invalid Credential"},
		{"key revoked", func(l *lab) { l.sim.RevokeKey() }, xmlapi.KindAuth, false, "Invalid Credential"},
		{"role", func(l *lab) { l.sim.Deny("op") }, xmlapi.KindRole, false, ""},
		{"role, other answer", func(l *lab) { l.sim.SetDialect(dialect.Dialect{Denied: dialect.DeniedForbidden}); l.sim.Deny("op") }, xmlapi.KindRole, false, "not authorized"},
		{"unknown vsys", func(l *lab) { l.opts.VSys = "vsys99"; l.restart() }, xmlapi.KindAPI, false, "vsys99 is invalid vsys"},
		{"unknown authority", func(l *lab) { l.opts.CA = nil; l.restart() }, xmlapi.KindTLS, false, "certificate"},
		{"canceled", func(l *lab) {}, xmlapi.KindCanceled, true, "canceled"},
		{"closed", func(l *lab) { l.device.Close() }, xmlapi.KindCanceled, true, "closed"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			l := newLab(t, nil, func(o *labOptions) {
				if test.kind == xmlapi.KindTimeout {
					o.Timeout = 500 * time.Millisecond
				}
			})
			l.level(l.entries(0, 3))
			test.trouble(l)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if test.kind == xmlapi.KindCanceled && test.name == "canceled" {
				cancel()
			}
			_, err := l.fw.Reconcile(ctx, l.entries(0, 4), true)
			if xmlapi.Kind(err) != test.kind || xmlapi.Transient(err) != test.transient || !strings.Contains(fmt.Sprint(err), test.text) {
				t.Fatalf("kind %q, transient %v: %v", xmlapi.Kind(err), xmlapi.Transient(err), err)
			}
			inspectError(t, l, err)
		})
	}
}

func fault(f panosim.Fault) func(*lab) { return func(l *lab) { l.sim.SetFault(f) } }

func TestPassingTroubleIsNotEvenNoticed(t *testing.T) {
	for _, effect := range []panosim.Effect{panosim.Reset, panosim.HTML, panosim.Empty, panosim.Truncate, panosim.SessionTimeout, panosim.InternalError} {
		l := newLab(t, nil, nil)
		for _, kind := range []string{panosim.KindSystemInfo, panosim.KindRegisteredIP, panosim.KindUserID} {
			l.sim.AddFaults(panosim.Fault{Effect: effect, Kind: kind, Calls: 2})
		}
		desired := l.entries(0, 10)
		if r := l.pass(desired, true); r.Calls != 3+2+2+2+2+1 { // the limit and the count, which it does not tell
			t.Errorf("effect %d: %d calls", effect, r.Calls)
		}
		l.stands(desired)
	}
}

func TestOddDevices(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*panosim.Options)
		text   string
	}{
		"old":        {func(o *panosim.Options) { o.Version = "8.1.19" }, "PAN-OS 8.1.19 does not support timeouts"},
		"Panorama":   {func(o *panosim.Options) { o.Model = "Panorama" }, "Panorama"},
		"M-Series":   {func(o *panosim.Options) { o.Model = "M-600" }, "Panorama (M-600)"},
		"no PAN-OS":  {nil, "names no model"},
		"no version": {nil, `"next" is not a PAN-OS version`},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, test.change, nil)
			switch name {
			case "no PAN-OS":
				newFront(t, l, func(w http.ResponseWriter, _ *http.Request, form url.Values) bool {
					return say(w, `<response status="success"><result><hello/></result></response>`)
				})
			case "no version":
				newFront(t, l, func(w http.ResponseWriter, _ *http.Request, form url.Values) bool {
					return say(w, `<response status="success"><result><system><model>PA-VM</model><sw-version>next</sw-version></system></result></response>`)
				})
			}
			r, err := l.fw.Reconcile(t.Context(), l.entries(0, 1), true)
			if xmlapi.Kind(err) != xmlapi.KindUnsupported || !strings.Contains(err.Error(), test.text) {
				t.Fatal(err)
			}
			if l.calls(panosim.KindUserID) != 0 || len(r.Registered) != 0 {
				t.Error("something was registered")
			}
		})
	}
}

func TestKeygen(t *testing.T) {
	l := newLab(t, func(o *panosim.Options) { o.Users = map[string]string{"svc": "swordfish"} }, nil)
	l.opts.APIKey, l.opts.Username, l.opts.Password = "", "svc", "swordfish"
	l.restart()
	desired := l.entries(0, 3)
	l.level(desired)
	l.pass(desired, true)
	if n := l.calls(panosim.KindKeygen); n != 1 {
		t.Fatalf("%d logins", n)
	}
	l.sim.RevokeKey()
	l.pass(desired, true)
	if n := l.calls(panosim.KindKeygen); n != 2 {
		t.Fatalf("%d logins after the key was revoked, want 2", n)
	}
	l.sim.SetPassword("svc", "changed")
	for range 5 {
		_, err := l.fw.Reconcile(t.Context(), desired, true)
		if xmlapi.Kind(err) != xmlapi.KindAuth || strings.Contains(err.Error(), "swordfish") {
			t.Fatal(err)
		}
	}
	if n := l.calls(panosim.KindKeygen); n != 3 {
		t.Errorf("%d logins with a wrong password in a row, want one: the administrator would be locked out", n-2)
	}
	l.sim.SetPassword("svc", "swordfish")
	l.clock.move(31 * time.Second)
	l.pass(desired, true)
	l.stands(desired)
}

func TestAnotherDeviceBehindTheSameAddress(t *testing.T) {
	l := newLab(t, nil, nil)
	desired := l.entries(0, 20)
	f := newFront(t, l, nil)
	l.level(desired)
	// The peer takes over. What it holds was registered there by somebody for ever.
	f.set(func(w http.ResponseWriter, _ *http.Request, form url.Values) bool {
		return strings.Contains(form.Get("cmd"), "<system>") &&
			say(w, `<response status="success"><result><system><hostname>peer</hostname><model>PA-VM</model><serial>2</serial><sw-version>10.2.9-h1</sw-version></system></result></response>`)
	})
	r := l.pass(desired, true)
	if len(r.Renewed) != 20 || l.device.Info().Serial != "2" {
		t.Errorf("%d renewed on another device, want all: %+v", len(r.Renewed), l.device.Info())
	}
	l.stands(desired)
}

func TestContextEndsACall(t *testing.T) {
	l := newLab(t, nil, func(o *labOptions) { o.Timeout = time.Minute })
	l.sim.SetFault(panosim.Fault{Effect: panosim.Hang})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	began := time.Now()
	_, err := l.fw.Reconcile(ctx, nil, true)
	if xmlapi.Kind(err) != xmlapi.KindTimeout || !errors.Is(err, context.DeadlineExceeded) || time.Since(began) > 10*time.Second {
		t.Fatalf("after %v: %v", time.Since(began), err)
	}
}

func TestSlowFirewallIsSentLess(t *testing.T) {
	l := newLab(t, nil, func(o *labOptions) { o.Timeout = 500 * time.Millisecond })
	desired := l.entries(0, 1000)
	newFront(t, l, func(_ http.ResponseWriter, r *http.Request, form url.Values) bool {
		if strings.Count(form.Get("cmd"), "<entry ip=") <= 100 {
			return false
		}
		<-r.Context().Done()
		return true
	})
	for range 200 {
		r, err := l.fw.Reconcile(t.Context(), desired, false)
		if err == nil && r.Backlog == 0 {
			l.stands(desired)
			return
		}
	}
	t.Fatal("never level")
}

func TestOnCall(t *testing.T) {
	var got []string
	l := newLab(t, nil, func(o *labOptions) {
		o.OnCall = func(kind string, took time.Duration, err error) {
			got = append(got, fmt.Sprint(kind, " ", err == nil))
			if took <= 0 || took > time.Minute {
				t.Errorf("%s took %v", kind, took)
			}
		}
	})
	desired := l.entries(0, 1)
	l.pass(desired, true)
	l.pass(nil, false)
	l.sim.SetFault(panosim.Fault{Effect: panosim.Forbidden})
	if _, err := l.fw.Reconcile(t.Context(), desired, false); err == nil {
		t.Fatal("no error")
	}
	if want := "[system-info true registered-ip true capacity false capacity false register true registered-ip true unregister true register false]"; fmt.Sprint(got) != want {
		t.Errorf("got  %v\nwant %s", got, want)
	}
}

func TestRestoreIsNotBelievedBlindly(t *testing.T) {
	l := newLab(t, nil, nil)
	desired := l.entries(0, 4)
	l.level(desired)
	l.restart().Restore(map[netip.Prefix]time.Time{
		desired[0].Prefix: desired[0].Until,                        // right
		desired[1].Prefix: l.clock.Now().Add(-time.Hour),           // it stands, so that cannot be
		desired[2].Prefix: l.clock.Now().Add(365 * 24 * time.Hour), // no firewall holds that long
		host(77):          l.clock.Now().Add(time.Hour),            // gone
	})
	r := l.pass(desired, false)
	if len(r.Renewed) != 3 || len(r.Gone) != 1 || r.Gone[0] != host(77) {
		t.Errorf("renewed %v, gone %v", r.Renewed, r.Gone)
	}
	l.stands(desired)
}
