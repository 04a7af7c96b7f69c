package enforce

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"activedefense/firewall"
	"activedefense/firewall/panosim"
	"activedefense/firewall/policy"
	"activedefense/firewall/xmlapi"
	"activedefense/store"
)

// found gives one check of one firewall.
func found(checks []policy.Check, firewall, name string) policy.Check {
	i := slices.IndexFunc(checks, func(c policy.Check) bool { return c.Firewall == firewall && c.Check == name })
	if i < 0 {
		return policy.Check{}
	}
	return checks[i]
}

// block puts an address on the blacklist that long ago.
func block(t *testing.T, st *store.Store, address string, ago time.Duration) {
	t.Helper()
	if _, _, err := st.Block(t.Context(), store.Block{Address: netip.MustParsePrefix(address), Rule: "port-scan", Reason: "test", By: store.ByDetector,
		BlockedAt: time.Now().Add(-ago)}); err != nil {
		t.Fatal(err)
	}
}

// An API key that the other member of a pair has made, and this one refuses, is not mended by a new one.
func TestAKeyThatThePeerRefusesIsNotMendedByANewOne(t *testing.T) {
	l := newPolicyLab(t)
	one := l.add("pair", firewall.ModeTag, panosim.Options{})
	other := startSim(t, panosim.Options{Admin: "svc", APIKey: "another", Serial: "007000000000002"})
	panosim.Pair(one, other, panosim.PairOptions{})
	l.cfg.Firewalls[0].PeerURL, l.cfg.Firewalls[0].CA = other.URL(), slices.Concat(one.CA(), other.CA())
	checks, err := Verify(t.Context(), l.cfg, VerifyOptions{Expected: l.opts.Expected})
	if c := found(checks, "pair (peer)", policy.CheckAPI); err != nil || c.Result != policy.ResultFail || !strings.Contains(c.Remedy, "for peer_api_key_file: the key is the other member's") || !strings.Contains(c.Remedy, "username and password_file") {
		t.Errorf("%+v, %v", c, err)
	}
}

// All firewalls are looked at, one that is away too, and told of in the order of the configuration.
func TestVerifyLooksAtEveryFirewallInOrder(t *testing.T) {
	l := newPolicyLab(t)
	l.add("away", firewall.ModeTag, panosim.Options{}).Down()
	one := l.add("pair", firewall.ModeTag, panosim.Options{})
	other := startSim(t, panosim.Options{Admin: "svc", APIKey: one.Key(), Serial: "007000000000002"})
	panosim.Pair(one, other, panosim.PairOptions{})
	l.cfg.Firewalls[1].PeerURL, l.cfg.Firewalls[1].CA = other.URL(), slices.Concat(one.CA(), other.CA())
	l.add("last", firewall.ModeList, panosim.Options{})
	checks, err := Verify(t.Context(), l.cfg, VerifyOptions{Expected: l.opts.Expected})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, c := range checks {
		names = append(names, c.Firewall)
	}
	if each := slices.Compact(names); !slices.Equal(each, []string{"away", "pair", "pair (peer)", "last"}) || len(checks) != 4*16 {
		t.Errorf("%d checks of %q", len(checks), each)
	}
	for name, result := range map[string]string{"away": policy.ResultFail, "pair": policy.ResultPass, "pair (peer)": policy.ResultPass, "last": policy.ResultPass} {
		if c := found(checks, name, policy.CheckAPI); c.Result != result {
			t.Errorf("%s: %s %s", name, c.Result, c.Detail)
		}
	}

	checks, err = Verify(t.Context(), l.cfg, VerifyOptions{Firewall: "LAST", Expected: l.opts.Expected})
	if err != nil || len(checks) != 16 || checks[0].Firewall != "last" {
		t.Errorf("one of them: %d checks, %v", len(checks), err)
	}
	if _, err = Verify(t.Context(), l.cfg, VerifyOptions{Firewall: "lost"}); !errors.Is(err, ErrUnknownFirewall) || !strings.Contains(err.Error(), "away, pair, last") {
		t.Errorf("none of them: %v", err)
	}
	l.cfg.Firewalls[2].CA = []byte("none")
	if _, err = Verify(t.Context(), l.cfg, VerifyOptions{}); err == nil || !strings.Contains(err.Error(), `firewall "last"`) {
		t.Errorf("one that cannot be opened: %v", err)
	}
}

// A firewall that hangs does not keep the others waiting; whoever stops the look is told that it is not whole.
func TestVerifyLooksAtFirewallsSideBySide(t *testing.T) {
	l := newPolicyLab(t)
	first, second := l.add("hangs", firewall.ModeTag, panosim.Options{}), l.add("there", firewall.ModeTag, panosim.Options{})
	first.SetFault(panosim.Fault{Effect: panosim.Hang, Delay: time.Hour})
	l.cfg.Firewalls[0].Timeout = time.Hour
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan error, 1)
	go func() {
		_, err := Verify(ctx, l.cfg, VerifyOptions{Expected: l.opts.Expected})
		ended <- err
	}()
	until(t, "both are asked", func() bool { return first.Stats().InFlight > 0 && second.Stats().Calls[panosim.KindConfigRead] > 0 })
	stop()
	select {
	case err := <-ended:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("the error is %v", err)
		}
	case <-time.After(patience):
		t.Fatal("it does not end")
	}
}

// What is blocked must be held, and what is not must not, but for what came or went a moment ago.
func TestVerifyComparesWithTheStore(t *testing.T) {
	l := newPolicyLab(t)
	sim := l.add("fw1", firewall.ModeList, panosim.Options{})
	l.list.serve("203.0.113.1", "203.0.113.4", "203.0.113.5")
	if _, _, err := l.provision(applyAndCommit); err != nil {
		t.Fatal(err)
	}
	sim.Lists().Fetch()
	st := newTestStore(t)
	l.cfg.Blacklist.ReleaseAfter = 30 * 24 * time.Hour
	block(t, st, "203.0.113.1/32", time.Hour)
	block(t, st, "203.0.113.2/32", time.Hour)
	block(t, st, "203.0.113.3/32", time.Minute)
	block(t, st, "203.0.113.4/32", time.Hour)
	block(t, st, "203.0.113.5/32", time.Hour)
	now := time.Now()
	for address, at := range map[string]time.Time{"203.0.113.4": now, "203.0.113.5": now.Add(-lately - time.Minute)} {
		if _, err := st.Release(t.Context(), netip.MustParsePrefix(address+"/32"), store.ByOperator, "test", at); err != nil {
			t.Fatal(err)
		}
	}
	checks, err := Verify(t.Context(), l.cfg, VerifyOptions{Store: st, Expected: l.opts.Expected})
	if err != nil {
		t.Fatal(err)
	}
	c := found(checks, "fw1", policy.CheckList)
	for _, text := range []string{"1 of 3 entries is missing on the firewall, which has 3: 203.0.113.2", "1 entry is on the firewall but no longer blocked: 203.0.113.5"} {
		if c.Result != policy.ResultFail || !strings.Contains(c.Detail, text) {
			t.Errorf("%q is missing in %s: %s", text, c.Result, c.Detail)
		}
	}
	entries, err := blockedNow(t.Context(), l.cfg, st)
	if err != nil || len(entries) != 3 {
		t.Fatalf("%v is blocked: %v", entries, err)
	}
	for _, e := range entries {
		if left := e.Until.Sub(e.Since); left != l.cfg.Blacklist.ReleaseAfter {
			t.Errorf("%s is blocked for %s", e.Prefix, left)
		}
	}

	// Without a store nobody knows what should be held.
	checks, err = Verify(t.Context(), l.cfg, VerifyOptions{Expected: l.opts.Expected})
	if c := found(checks, "fw1", policy.CheckList); err != nil || strings.Contains(c.Detail, "missing") {
		t.Errorf("without a store: %s, %v", c.Detail, err)
	}
}

// A store that cannot be read must not look like an empty blacklist.
func TestVerifyFailsWithoutTheStoreThatItIsGiven(t *testing.T) {
	l := newPolicyLab(t)
	sim := l.add("fw1", firewall.ModeTag, panosim.Options{})
	st := newTestStore(t)
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Verify(t.Context(), l.cfg, VerifyOptions{Store: st}); err == nil || xmlapi.Kind(err) != "" || len(sim.Stats().Calls) != 0 {
		t.Errorf("the error is %v, after %v", err, sim.Stats().Calls)
	}
	if list, err := releasedLately(t.Context(), st, time.Now()); err == nil || len(list) != 0 {
		t.Errorf("released lately: %v, %v", list, err)
	}
}
