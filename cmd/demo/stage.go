package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"activedefense/agent"
	"activedefense/config"
	"activedefense/firewall/panosim"
	"activedefense/store"
)

const (
	tag      = "active-defense"
	vsys     = "vsys1"
	patience = 10 * time.Second // for anything to happen
	friend   = "203.0.113.10"   // a customer: many connections, one port
)

// A stage is everything the show needs.
type stage struct {
	out   io.Writer
	dir   string
	sim   *panosim.Sim
	log   *os.File
	cfg   *config.Config
	agent *agent.Agent
	done  chan error

	traffic sync.WaitGroup // the background

	mu      sync.Mutex
	written map[string]time.Time // when the last line of a source was written
	tagged  chan panosim.Change
}

func newStage(out io.Writer) (s *stage, err error) {
	s = &stage{out: out, written: make(map[string]time.Time), tagged: make(chan panosim.Change, 1000), done: make(chan error, 1)}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	if s.dir, err = os.MkdirTemp("", "activedefense-demo-"); err != nil {
		return nil, err
	}
	if s.sim, err = panosim.Start(panosim.Options{Hostname: "LAB-FW-01", OnChange: func(c panosim.Change) {
		select {
		case s.tagged <- c:
		default: // nobody looks any more
		}
	}}); err != nil {
		return nil, err
	}
	if s.log, err = os.Create(filepath.Join(s.dir, "LAB-FW-01.log")); err != nil {
		return nil, err
	}
	if err = s.configure(); err != nil {
		return nil, err
	}
	s.agent, err = agent.New(context.Background(), s.cfg, agent.Options{Version: "demo", Logger: zerolog.New(agentLog{s})})
	return s, err
}

// configure writes a configuration as an operator would, and reads it.
func (s *stage) configure() error {
	ca, key, path := filepath.Join(s.dir, "firewall-ca.pem"), filepath.Join(s.dir, "lab-fw-01.key"), filepath.Join(s.dir, "activedefense.yaml")
	text := fmt.Sprintf(`state_dir: %s
inputs:
  - path: %s/*.log
edl:
  listen: 127.0.0.1:0
admin:
  listen: 127.0.0.1:0
firewalls:
  - name: LAB-FW-01
    url: %s
    api_key_file: %s
    ca_file: %s
`, filepath.Join(s.dir, "state"), s.dir, s.sim.URL(), key, ca)
	for name, data := range map[string][]byte{ca: s.sim.CA(), key: []byte(s.sim.Key()), path: []byte(text)} {
		if err := os.WriteFile(name, data, 0o600); err != nil {
			return err
		}
	}
	cfg, _, err := config.Load(config.Options{Path: path})
	s.cfg = cfg
	return err
}

// begin starts the agent and the background traffic, and waits until both firewall and list are there.
func (s *stage) begin(ctx context.Context) error {
	s.say("start", "a simulated PAN-OS firewall at %s, the agent on SQLite in %s", s.sim.URL(), s.dir)
	go func() { s.done <- s.agent.Run(ctx) }()
	s.traffic.Go(func() { s.background(ctx) })
	return s.until(ctx, "the agent is not ready", func() bool {
		st := s.agent.Status()
		return st.Ready && len(st.Firewalls) == 1 && st.Firewalls[0].Up
	})
}

// background is what a firewall on the internet sees all day: a friend's connections, and single probes.
func (s *stage) background(ctx context.Context) {
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for i := 0; ; i++ {
		r := record{dst: "198.51.100.7", port: 443, action: "allow", subtype: "end", typ: "TRAFFIC"}
		source := friend
		if i%2 == 1 {
			source = fmt.Sprintf("203.0.113.%d", 100+i/2%120)
			r.action, r.subtype, r.port = "drop", "drop", []int{22, 23, 80}[i/2%3]
		}
		s.write(source, "Australia", r)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

func (s *stage) write(source, country string, r record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	s.written[source] = now
	// A failed write shows as an attacker that is not blocked.
	_, _ = s.log.WriteString(r.text(source, country, now))
}

// play writes an attack line by line and waits for the tag on the firewall.
func (s *stage) play(ctx context.Context, a attack) error {
	s.say("seen", "%s %s", a.source, a.what)
	for i := range a.lines {
		s.write(a.source, a.country, a.line(i))
		if !pause(ctx, a.pause) {
			return ctx.Err()
		}
	}
	timeout := time.After(patience)
	for {
		select {
		case c := <-s.tagged:
			if c.Action != panosim.Registered {
				continue
			}
			s.mu.Lock()
			written := s.written[c.Address.Addr().String()]
			s.mu.Unlock()
			s.say("tagged", "%s on LAB-FW-01 with %q, %d ms after its last line was written; the tag ends by itself in %d days",
				c.Address.Addr(), c.Tag, c.Time.Sub(written).Milliseconds(), int(c.Timeout.Round(time.Hour).Hours()/24))
			if c.Address.Addr().String() == a.source {
				if !pause(ctx, 2*time.Second) { // to be read by a person
					return ctx.Err()
				}
				return nil
			}
		case <-timeout:
			return fmt.Errorf("%s was not tagged on the firewall within %s", a.source, patience)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// bystander checks that only the attackers are blocked.
func (s *stage) bystander(ctx context.Context) error {
	var want []string
	for _, a := range attacks {
		want = append(want, a.source)
	}
	slices.Sort(want)
	var got []string
	for p := range s.sim.Tagged(vsys, tag) {
		got = append(got, p.Addr().String())
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		return fmt.Errorf("the firewall holds %v instead of %v", got, want)
	}
	st := s.agent.Status()
	s.say("spared", "%s, a customer with hundreds of connections to one port, and %d sources that came by (%.0f lines a second)",
		friend, st.Detect.Sources-1, st.Rate)
	return nil
}

// explain shows why an address is blocked.
func (s *stage) explain(ctx context.Context, source string) error {
	s.say("why", "activedefense blacklist show %s", source)
	st, err := store.Open(ctx, store.Options{Path: filepath.Join(s.cfg.StateDir, agent.DatabaseFile), Instance: "demo"})
	if err != nil {
		return err
	}
	defer st.Close()
	addr := netip.MustParseAddr(source)
	x, err := agent.Explain(ctx, st, netip.PrefixFrom(addr, addr.BitLen()), s.cfg.Blacklist.ReleaseAfter)
	if err != nil {
		return err
	}
	var text strings.Builder
	if err := x.WriteText(&text); err != nil {
		return err
	}
	fmt.Fprintln(s.out, indent(text.String()))
	return nil
}

// fetchList fetches the list as a firewall would: over HTTPS, trusting the agent's own CA.
func (s *stage) fetchList(ctx context.Context) error {
	ca, err := os.ReadFile(filepath.Join(s.cfg.StateDir, "ca.crt"))
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	client := &http.Client{Timeout: patience, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}}
	defer client.CloseIdleConnections()
	url := "https://" + s.agent.ListAddr().String() + s.cfg.EDL.Path
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	s.say("list", "GET %s: %s, ETag %s", url, response.Status, response.Header.Get("ETag"))
	fmt.Fprintln(s.out, indent(string(body)))
	for _, a := range attacks {
		if !slices.Contains(strings.Fields(string(body)), a.source) {
			return fmt.Errorf("%s is missing on the list", a.source)
		}
	}
	return nil
}

// end stops the agent as SIGTERM would.
func (s *stage) end(cancel context.CancelFunc) error {
	cancel()
	s.traffic.Wait()
	select {
	case err := <-s.done:
		s.say("end", "the agent has stopped; the tags stay on the firewall until they end by themselves")
		return err
	case <-time.After(patience):
		return fmt.Errorf("the agent did not stop within %s", patience)
	}
}

func (s *stage) close() {
	if s.log != nil {
		s.log.Close()
	}
	if s.sim != nil {
		s.sim.Close()
	}
	if s.dir != "" {
		os.RemoveAll(s.dir)
	}
}

// say prints one line of the show.
func (s *stage) say(what, format string, args ...any) {
	fmt.Fprintf(s.out, "%s  %-8s %s\n", time.Now().Format("15:04:05.000"), what, fmt.Sprintf(format, args...))
}

// until waits for something to become true.
func (s *stage) until(ctx context.Context, otherwise string, is func() bool) error {
	deadline := time.Now().Add(patience)
	for !is() {
		if time.Now().After(deadline) {
			return fmt.Errorf("%s after %s", otherwise, patience)
		}
		if !pause(ctx, 20*time.Millisecond) {
			return ctx.Err()
		}
	}
	return nil
}

func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func indent(text string) string {
	return "    " + strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "\n    ") + "\n"
}

// agentLog shows what the agent itself logs about blocks, and every warning.
type agentLog struct{ s *stage }

func (l agentLog) Write(p []byte) (int, error) {
	var entry struct{ Level, Message, Address, Rule, Error string }
	if json.Unmarshal(p, &entry) == nil {
		switch {
		case strings.HasPrefix(entry.Message, "blocking: "):
			l.s.say("blocked", "%s (%s): %s", entry.Address, entry.Rule, strings.TrimPrefix(entry.Message, "blocking: "))
		case entry.Level == "warn" || entry.Level == "error":
			l.s.say(entry.Level, "%s %s", entry.Message, entry.Error)
		}
	}
	return len(p), nil
}
