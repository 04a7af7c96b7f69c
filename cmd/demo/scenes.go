package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"activedefense/agent"
	"activedefense/agent/explain"
	"activedefense/detect"
	"activedefense/firewall/panosim/userid"
	"activedefense/firewall/policy"
	"activedefense/store"
)

// begin starts the agent, makes the firewall's policy, and starts the background traffic. What the agent says
// meanwhile of the policy that it misses is shown only where that does not end well: the checks say the same.
func (s *stage) begin(ctx context.Context) (err error) {
	defer func() {
		if held := s.hear(); err != nil {
			s.note("%s", strings.Join(held, "\n"))
		}
	}()
	if _, err := s.start(ctx); err != nil {
		return err
	}
	if err := s.lacks(ctx); err != nil {
		return err
	}
	if err := s.provision(ctx); err != nil {
		return err
	}
	if err := s.until(ctx, "the firewall is not level", func() bool { return s.agent.Status().Firewalls[0].Up }); err != nil {
		return err
	}
	if err := s.verify(ctx); err != nil {
		return err
	}
	life, err := s.reload(ctx)
	if err != nil {
		return err
	}
	s.traffic.Go(func() { s.background(life) })
	return s.read(ctx)
}

// start has the agent run, and waits until it is ready; life ends when it is halted.
func (s *stage) start(ctx context.Context) (life context.Context, err error) {
	life, s.stop = context.WithCancel(ctx)
	go func(a *agent.Agent) { s.done <- a.Run(life) }(s.agent)
	return life, s.until(ctx, "the agent is not ready", func() bool { return s.agent.Status().Ready })
}

// reload begins the agent anew, as the command of that name does, and waits until it has looked at the policies: what it says of them until
// its next look is of this one.
func (s *stage) reload(ctx context.Context) (life context.Context, err error) {
	s.say("reload", "activedefense reload: the agent looks at the policies again now, and not within minutes")
	if err := s.halt(); err != nil {
		return nil, err
	}
	s.agent.Close()
	if err := s.newAgent(ctx); err != nil {
		return nil, err
	}
	if life, err = s.start(ctx); err != nil {
		return nil, err
	}
	return life, s.until(ctx, "the agent has not seen the policies pass", func() bool {
		policies := s.agent.Status().Policies
		return len(policies) == 1 && policies[0].State == policy.ResultPass
	})
}

// read leaves a person time.
func (s *stage) read(ctx context.Context) error {
	if !pause(ctx, s.pace) {
		return ctx.Err()
	}
	return nil
}

// play sends an attack packet by packet, and knocks until the firewall drops the attacker by its first rule.
func (s *stage) play(ctx context.Context, a attack) error {
	s.say("attack", "%s %s", a.source, a.what)
	s.attacker.Store(&a.source)
	for i := range a.packets {
		if i > 0 && !pause(ctx, a.pause) {
			return ctx.Err()
		}
		if v := s.packet(a.source, a.country, a.packet(i)); v.Rule != sensorRule && !v.Threat {
			return fmt.Errorf("packet %d of %s was decided by the rule %q", i+1, a.source, v.Rule)
		}
	}
	last := time.Now()
	passed, err := s.knock(ctx, a)
	if err != nil {
		return err
	}
	took := time.Since(last)
	s.means()
	s.say("dropped", "%s, %d ms after the last packet of its attack; %d came through in between", a.source, took.Milliseconds(), passed)
	if err := s.logged(ctx, a.source, blockRule, "drop"); err != nil {
		return err
	}
	return s.read(ctx)
}

// knock has the attacker connect to the web server until it is dropped by the first rule; passed is how often it came
// through before.
func (s *stage) knock(ctx context.Context, a attack) (passed int, err error) {
	timeout := time.After(patience)
	again := time.NewTicker(100 * time.Millisecond)
	defer again.Stop()
	for {
		select {
		case c := <-s.tagged:
			if c.Action != userid.Registered || c.Address.Addr().String() != a.source {
				continue
			}
			s.say("tagged", "%s with %q; the tag ends by itself in %d days", c.Address.Addr(), c.Tag, int(c.Timeout.Round(time.Hour).Hours()/24))
		case <-again.C:
		case <-timeout:
			return passed, fmt.Errorf("%s was not blocked within %s", a.source, patience)
		case <-ctx.Done():
			return passed, ctx.Err()
		}
		if s.packet(a.source, a.country, to(a.door, 443)).Rule == blockRule {
			return passed, nil
		}
		passed++
	}
}

// logged waits for the firewall's own log line about a source, and shows it.
func (s *stage) logged(ctx context.Context, source, rule, action string) error {
	err := s.until(ctx, fmt.Sprintf("no log line names the rule %q for %s", rule, source), func() bool {
		line := s.syslog.lastOf(source)
		return field(line, "RuleName") == rule && field(line, "Action") == action
	})
	if err == nil {
		s.excerpt(s.syslog.lastOf(source))
	}
	return err
}

// bystanders checks that only the attackers are blocked.
func (s *stage) bystanders(ctx context.Context) error {
	var blocked []string
	err := s.withStore(ctx, func(st *store.Store) error {
		return st.Entries(ctx, store.EntryFilter{}, func(e *store.Entry) error {
			blocked = append(blocked, detect.AddressText(e.Address))
			return nil
		})
	})
	if err != nil {
		return err
	}
	var want []string
	for _, a := range attacks {
		want = append(want, a.entry())
	}
	slices.Sort(want)
	slices.Sort(blocked)
	if !slices.Equal(blocked, want) {
		return fmt.Errorf("%v are blocked instead of %v", blocked, want)
	}
	if n := s.turnedAway.Load(); n > 0 {
		return fmt.Errorf("%d packets of bystanders were decided by another rule than before", n)
	}
	st := s.agent.Status()
	s.say("spared", "%s, a customer with hundreds of connections to one port, and %d sources that came by (%.0f log lines a second)",
		friend, st.Detect.Sources-1, st.Rate)
	return s.read(ctx)
}

// explain shows why the first attacker is blocked.
func (s *stage) explain(ctx context.Context) error {
	source := netip.MustParseAddr(attacks[0].source)
	s.say("why", "activedefense blacklist show %s", source)
	var text strings.Builder
	err := s.withStore(ctx, func(st *store.Store) error {
		x, err := explain.Of(ctx, st, netip.PrefixFrom(source, source.BitLen()), s.cfg.Blacklist.ReleaseAfter)
		if err != nil {
			return err
		}
		return x.WriteText(&text)
	})
	if err != nil {
		return err
	}
	for line := range strings.Lines(text.String()) {
		s.note("%s\n", clip(strings.TrimRight(line, "\n")))
	}
	return s.read(ctx)
}

// fetchList fetches the list as a firewall does, over HTTPS and trusting the agent's own CA, until all attackers are on it.
func (s *stage) fetchList(ctx context.Context) error {
	ca, err := os.ReadFile(filepath.Join(s.cfg.StateDir, "ca.crt"))
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	client := &http.Client{Timeout: patience, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}}
	defer client.CloseIdleConnections()
	var tag, body string
	var failed error
	err = s.until(ctx, "an attacker is missing on the list", func() bool {
		tag, body, failed = get(ctx, client, s.cfg.EDL.URL)
		return failed != nil || !slices.ContainsFunc(attacks, func(a attack) bool { return !slices.Contains(strings.Fields(body), a.entry()) })
	})
	if failed != nil {
		return failed
	}
	s.say("list", "GET %s, ETag %s", s.cfg.EDL.URL, tag)
	s.note("%s", body)
	if err != nil {
		return err
	}
	return s.read(ctx)
}

func get(ctx context.Context, client *http.Client, url string) (tag, body string, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", "", err
	}
	response, err := client.Do(request)
	if err != nil {
		return "", "", err
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("GET %s: %s", url, response.Status)
	}
	return response.Header.Get("ETag"), string(content), err
}

// release has an operator release the first attacker, which the firewall then lets in again, and none of the others.
func (s *stage) release(ctx context.Context) error {
	source := netip.MustParseAddr(attacks[0].source)
	s.say("release", "activedefense blacklist remove %s --reason \"a partner's scanner\"", source)
	err := s.withStore(ctx, func(st *store.Store) error {
		_, err := st.Release(ctx, netip.PrefixFrom(source, source.BitLen()), "operator", "a partner's scanner", time.Now())
		return err
	})
	if err != nil {
		return err
	}
	began := time.Now()
	err = s.until(ctx, source.String()+" is still dropped", func() bool {
		return s.packet(attacks[0].source, attacks[0].country, to(webServer, 443)).Allowed
	})
	if err != nil {
		return err
	}
	took := time.Since(began)
	s.means()
	s.say("let in", "%s, %d ms after it was released", source, took.Milliseconds())
	if err := s.logged(ctx, attacks[0].source, webRule, "allow"); err != nil {
		return err
	}
	for _, a := range attacks[1:] {
		if v := s.packet(a.source, a.country, to(a.door, 443)); v.Rule != blockRule {
			return fmt.Errorf("%s, which was not released, was decided by the rule %q", a.source, v.Rule)
		}
	}
	return s.read(ctx)
}

// stay goes on until interrupted.
func (s *stage) stay(ctx context.Context) error {
	s.say("stay", "background traffic goes on; Ctrl-C ends it. State, log and certificates are in %s", s.dir)
	<-ctx.Done()
	return nil
}
