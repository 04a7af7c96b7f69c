package panosim

import (
	"crypto/sha256"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"activedefense/firewall/panosim/logs"
	"activedefense/firewall/panosim/xmltree"
)

func TestStreams(t *testing.T) {
	const whole = 300<<10 + 17
	s := start(t, Options{})
	p := newPeer(t, s)
	s.SetFault(Fault{Effect: Flood, Size: whole})
	got := p.post(registerForm(s))
	if _, err := xmltree.Parse(got.body); err != nil || len(got.body) != whole || got.status != 200 || s.Addresses().Count() != 0 {
		t.Errorf("flood: %d, %d bytes, %v", got.status, len(got.body), err)
	}
	s.SetFault(Fault{Effect: Drip, Delay: time.Nanosecond})
	expect(t, "drip", p.post(registerForm(s)).body, emptyRegister)
	s.SetFault(Fault{Effect: OtherDevice})
	if got := p.post(registerForm(s)); got.status != 200 || !strings.HasPrefix(got.kind, "text/html") || !strings.Contains(got.body, "Sign in") {
		t.Errorf("another device: %+v", got)
	}
}

// A client that has enough ends both; the firewall closes without them.
func TestStreamsAreGivenUp(t *testing.T) {
	for _, f := range []Fault{{Effect: Flood, Size: 1 << 40}, {Effect: Drip, Delay: time.Hour}} {
		s := start(t, Options{})
		s.SetFault(f)
		response, err := newPeer(t, s).http.PostForm(s.URL()+"/api/", registerForm(s))
		if err != nil {
			t.Fatal(err)
		}
		if n, err := io.ReadAtLeast(response.Body, make([]byte, 1), 1); n != 1 {
			t.Errorf("%+v: %d bytes, %v", f, n, err)
		}
		if err := response.Body.Close(); err != nil {
			t.Error(err)
		}
		until(t, "the firewall notices", func() bool { return s.Stats().InFlight == 0 })
	}
}

func TestStormIsReplayable(t *testing.T) {
	const calls = 20000
	seen := map[Effect]int{}
	restarts, met := 0, 0
	for n := 1; n <= calls; n++ {
		f, ok := StormFault(7, n, StormOptions{})
		if again, _ := StormFault(7, n, StormOptions{}); again != f {
			t.Fatalf("call %d: %+v, then %+v", n, f, again)
		}
		if !ok {
			continue
		}
		met++
		seen[f.Effect]++
		if f.reboot {
			restarts++
		}
		if f.Calls != 1 || f.Delay > time.Second || f.Size > defaultSize {
			t.Errorf("call %d: %+v", n, f)
		}
	}
	if len(seen) != int(effects) {
		t.Errorf("%d of %d effects: %v", len(seen), effects, seen)
	}
	if restarts < calls/1000 || restarts > calls/250 {
		t.Errorf("%d restarts in %d calls", restarts, calls)
	}
	if share := float64(met) / calls; share < 0.28 || share > 0.36 {
		t.Errorf("%.3f of the calls are met", share)
	}
	if other, _ := StormFault(8, 1, StormOptions{Share: 1}); other == first(StormFault(7, 1, StormOptions{Share: 1})) {
		t.Errorf("another seed begins alike: %+v", other)
	}
}

func first(f Fault, _ bool) Fault { return f }

func TestStorm(t *testing.T) {
	o := StormOptions{Share: 0.9, MaxDelay: time.Millisecond, MaxSize: 1 << 12, Restarts: 20, Kinds: []string{KindUserID}}
	const calls = 120
	run := func() (outcomes [sha256.Size]byte, log []logs.SystemLine) {
		s := start(t, Options{})
		p := newPeer(t, s)
		s.Storm(3, o)
		digest := sha256.New()
		for n := range calls {
			if n%10 == 0 {
				if got := p.op(showInfo); !strings.Contains(got, "success") {
					t.Errorf("a call of another kind: %s", got)
				}
			}
			// Without keeping connections: a client would repeat on a new one what a broken one did not answer.
			p.http.CloseIdleConnections()
			got, err := p.try(registerForm(s))
			_, _ = io.WriteString(digest, got.body)
			want, met := StormFault(3, n+1, o)
			if failed := err != nil; failed != (met && slices.Contains([]Effect{Reset, Hang, Break}, want.Effect)) {
				t.Errorf("call %d: %+v, error %v", n+1, want, err)
			}
		}
		if got := s.StormCalls(); got != calls {
			t.Errorf("%d calls counted", got)
		}
		log = s.SystemLog()
		s.ClearFaults()
		expect(t, "after the storm", p.post(registerForm(s)).body, emptyRegister)
		if s.StormCalls() != 0 {
			t.Error("the storm goes on")
		}
		return [sha256.Size]byte(digest.Sum(nil)), log
	}
	once, log := run()
	if twice, _ := run(); once != twice {
		t.Error("two runs differ")
	}
	if len(log) == 0 || log[0].Text != "System restart" {
		t.Errorf("no restart: %+v", log)
	}
}
