package agent

import (
	"context"
	"errors"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"activedefense/config"
)

func TestAnOwnAddressIsProtectedWhileItsNameCannotBeResolved(t *testing.T) {
	before, after := netip.MustParseAddr("203.0.113.1"), netip.MustParseAddr("203.0.113.2")
	var answer []netip.Addr
	var trouble error
	own := newOwnAddresses(&config.Config{Firewalls: []config.Firewall{{Name: "fw1", URL: "https://fw1.example:8443"}}})
	own.lookup = func(_ context.Context, _, host string) ([]netip.Addr, error) {
		if host != "fw1.example" {
			t.Errorf("asked for %q", host)
		}
		return answer, trouble
	}
	for _, step := range []struct {
		what       string
		answer     []netip.Addr
		trouble    error
		beforeFree bool
		afterFree  bool
	}{
		{"not found yet", nil, errors.New("no such host"), true, true},
		{"found", []netip.Addr{before}, nil, false, true},
		{"the name server is away", nil, errors.New("timeout"), false, true},
		{"an empty answer", nil, nil, false, true},
		{"it has moved", []netip.Addr{after}, nil, true, false},
	} {
		answer, trouble = step.answer, step.trouble
		guard, complete := own.guard(t.Context())
		if free := guard.CheckAddr(before) == nil; free != step.beforeFree {
			t.Errorf("%s: %s may be blocked: %t", step.what, before, free)
		}
		if free := guard.CheckAddr(after) == nil; free != step.afterFree {
			t.Errorf("%s: %s may be blocked: %t", step.what, after, free)
		}
		if complete != (len(step.answer) > 0) {
			t.Errorf("%s: complete %t", step.what, complete)
		}
	}
}

func TestANameThatWasNotFoundAtTheStartIsAskedForSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		address := netip.MustParseAddr("203.0.113.1")
		a := &Agent{own: newOwnAddresses(&config.Config{Firewalls: []config.Firewall{{Name: "fw1", URL: "https://fw1.example"}}})}
		begun, asked := time.Now(), 0
		a.own.lookup = func(context.Context, string, string) ([]netip.Addr, error) {
			asked++
			if time.Since(begun) < 150*time.Second {
				return nil, errors.New("no such host")
			}
			return []netip.Addr{address}, nil
		}
		guard, _ := a.own.guard(t.Context())
		a.guard.Store(guard)
		ctx, stop := context.WithCancel(t.Context())
		go a.refreshGuard(ctx, newFeed(nil))
		time.Sleep(3*time.Minute + time.Second)
		synctest.Wait()
		if err := a.guard.Load().CheckAddr(address); err == nil {
			t.Error("the firewall may be blocked three minutes after the start")
		}
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		if asked != 1+3+2 {
			t.Errorf("asked %d times", asked)
		}
		stop()
	})
}
