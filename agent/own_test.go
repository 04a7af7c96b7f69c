package agent

import (
	"context"
	"errors"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"activedefense/agent/labels"
	"activedefense/agent/own"
	"activedefense/config"
)

func TestANameThatWasNotFoundAtTheStartIsAskedForSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		address := netip.MustParseAddr("203.0.113.1")
		begun, asked := time.Now(), 0
		lookup := func(context.Context, string, string) ([]netip.Addr, error) {
			asked++
			if time.Since(begun) < 150*time.Second {
				return nil, errors.New("no such host")
			}
			return []netip.Addr{address}, nil
		}
		a := &Agent{labels: labels.New(labels.Options{}), own: own.New(&config.Config{Firewalls: []config.Firewall{{Name: "fw1", URL: "https://fw1.example"}}}, lookup)}
		a.own.Look(t.Context())
		a.renew()
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
