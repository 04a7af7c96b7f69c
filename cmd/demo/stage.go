package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"activedefense/agent"
	"activedefense/config"
	"activedefense/firewall/panosim"
	"activedefense/firewall/panosim/userid"
	"activedefense/store"
)

// patience is for anything to happen.
const patience = 10 * time.Second

// A stage is everything the show needs.
type stage struct {
	mode   string
	pace   time.Duration // for a person to read
	dir    string
	sim    *panosim.Sim
	syslog *receiver
	cfg    *config.Config
	agent  *agent.Agent
	stop   context.CancelFunc // of the agent and the traffic; nil: they do not run
	done   chan error         // what ended the agent
	tagged chan userid.Change

	attacker atomic.Pointer[string] // whose next log line is shown; nil: nobody's

	traffic    sync.WaitGroup // the background
	turnedAway atomic.Int64   // packets of bystanders that were not decided as they should be

	saying sync.Mutex
	out    io.Writer
	quiet  bool     // until the policy stands, what the agent says is held back
	held   []string // that
}

func newStage(ctx context.Context, out io.Writer, mode string, pace time.Duration) (s *stage, err error) {
	s = &stage{mode: mode, pace: pace, out: out, quiet: true, tagged: make(chan userid.Change, 1000), done: make(chan error, 1)}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	if s.dir, err = os.MkdirTemp("", "activedefense-demo-"); err != nil {
		return nil, err
	}
	if s.syslog, err = listen(filepath.Join(s.dir, "LAB-FW-01.log"), s.showLog); err != nil {
		return nil, err
	}
	if s.sim, err = startFirewall(s.heard); err != nil {
		return nil, err
	}
	if err = s.configure(); err != nil {
		return nil, err
	}
	s.say("start", "a simulated PAN-OS firewall at %s, made to block by mode %s", s.sim.URL(), s.mode)
	s.note("its logs go to %s and from there into a file, which the agent reads, on SQLite in %s", s.syslog.address(), s.dir)
	return s, s.newAgent(ctx)
}

func (s *stage) newAgent(ctx context.Context) (err error) {
	s.agent, err = agent.New(ctx, s.cfg, agent.Options{Version: "demo", Logger: zerolog.New(agentLog{s})})
	return err
}

// showLog shows the first line of an attack, before the agent can read it.
func (s *stage) showLog(line string) {
	source := field(line, "SrcIP")
	if waited := s.attacker.Load(); waited != nil && *waited == source && s.attacker.CompareAndSwap(waited, nil) {
		s.say("logged", "the first line that the firewall sends of it:")
		s.excerpt(line)
	}
}

// excerpt shows what matters of a log line.
func (s *stage) excerpt(line string) {
	text := fmt.Sprintf("... SrcIP=%s; ... DstIP=%s; DstPort=%s; Action=%s; RuleName=%s; ...",
		field(line, "SrcIP"), field(line, "DstIP"), field(line, "DstPort"), field(line, "Action"), field(line, "RuleName"))
	if threat := field(line, "ThreatName"); threat != "" {
		text += fmt.Sprintf(" ThreatName=%s; ... Severity=%s; ...", threat, field(line, "Severity"))
	}
	s.note("%s", text)
}

// heard keeps changes of tags for whoever waits for one.
func (s *stage) heard(c userid.Change) {
	select {
	case s.tagged <- c:
	default: // nobody looks any more
	}
}

// configure writes a configuration as an operator would, and reads it.
func (s *stage) configure() error {
	ca, key, path := filepath.Join(s.dir, "firewall-ca.pem"), filepath.Join(s.dir, "lab-fw-01.key"), filepath.Join(s.dir, "activedefense.yaml")
	list, err := freeAddress()
	if err != nil {
		return err
	}
	text := fmt.Sprintf(`state_dir: %s
inputs:
  - path: %s/*.log
networks:
  own: [198.51.100.0/24, "2001:db8:1::/48"]
edl:
  listen: %[3]s
  url: https://%[3]s/files/blacklist.txt
admin:
  listen: 127.0.0.1:0
firewalls:
  - name: LAB-FW-01
    url: %s
    api_key_file: %s
    ca_file: %s
    mode: %s
    commit_admin: %s
    commit_interval: 1s
    refresh_interval: 1s
    syslog_address: %s
`, filepath.Join(s.dir, "state"), s.dir, list, s.sim.URL(), key, ca, s.mode, admin, s.syslog.address())
	for name, data := range map[string][]byte{ca: s.sim.CA(), key: []byte(s.sim.Key()), path: []byte(text)} {
		if err := os.WriteFile(name, data, 0o600); err != nil {
			return err
		}
	}
	s.cfg, _, err = config.Load(config.Options{Path: path})
	return err
}

// freeAddress is where the list can be served: the firewall has to be told of it before it is.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// end stops the agent as SIGTERM would.
func (s *stage) end(context.Context) error {
	err := s.halt()
	if err == nil {
		s.say("end", "the agent has stopped. %s", map[string]string{
			"dynamic-tag":   "The tags stay on the firewall until they end by themselves",
			"address-group": "The group stays on the firewall as it is, until somebody changes it",
			"edl":           "The firewall keeps the list as it fetched it last",
		}[s.mode])
	}
	return err
}

// halt stops the traffic and the agent, if they run.
func (s *stage) halt() error {
	if s.stop == nil {
		return nil
	}
	s.stop()
	s.stop = nil
	s.traffic.Wait()
	select {
	case err := <-s.done:
		return err
	case <-time.After(patience):
		return fmt.Errorf("the agent did not stop within %s", patience)
	}
}

// close gives everything back. An error of the agent's end is one more only where the show has failed already.
func (s *stage) close() {
	_ = s.halt()
	if s.agent != nil {
		s.agent.Close()
	}
	if s.sim != nil {
		s.sim.Close()
	}
	if s.syslog != nil {
		s.syslog.close()
	}
	if s.dir != "" {
		os.RemoveAll(s.dir)
	}
}

// withStore opens the store beside the agent, as the other commands do.
func (s *stage) withStore(ctx context.Context, do func(*store.Store) error) error {
	st, err := store.Open(ctx, store.Options{Path: filepath.Join(s.cfg.StateDir, agent.DatabaseFile), Instance: "demo"})
	if err != nil {
		return err
	}
	defer st.Close()
	return do(st)
}

// say prints one line of the show.
func (s *stage) say(what, format string, args ...any) {
	s.print(fmt.Sprintf("%s  %-8s %s\n", time.Now().Format("15:04:05.000"), what, fmt.Sprintf(format, args...)))
}

// hear shows what the agent says from now on; what was held back is given.
func (s *stage) hear() (held []string) {
	s.saying.Lock()
	defer s.saying.Unlock()
	held, s.held, s.quiet = s.held, nil, false
	return held
}

// note prints what belongs to the line before.
func (s *stage) note(format string, args ...any) {
	for line := range strings.Lines(fmt.Sprintf(format, args...)) {
		s.print("                  " + strings.TrimRight(line, "\n") + "\n")
	}
}

// print is for several goroutines.
func (s *stage) print(text string) {
	s.saying.Lock()
	defer s.saying.Unlock()
	fmt.Fprint(s.out, text)
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

// agentLog shows what the agent itself logs about blocks, and every warning.
type agentLog struct{ s *stage }

func (l agentLog) Write(p []byte) (int, error) {
	var entry struct{ Level, Message, Address, Rule, Error string }
	if json.Unmarshal(p, &entry) == nil {
		switch {
		case strings.HasPrefix(entry.Message, "blocking: "):
			l.s.say("blocked", "%s (%s): %s", entry.Address, entry.Rule, strings.TrimPrefix(entry.Message, "blocking: "))
		case entry.Level == "warn" || entry.Level == "error":
			l.s.tell(entry.Level, strings.TrimSpace(entry.Message+" "+entry.Error))
		}
	}
	return len(p), nil
}

// tell prints what the agent says, unless it is held back.
func (s *stage) tell(level, text string) {
	s.saying.Lock()
	if s.quiet {
		s.held = append(s.held, level+"  "+text)
	}
	quiet := s.quiet
	s.saying.Unlock()
	if !quiet {
		s.say(level, "%s", text)
	}
}

// clip shortens a text for one line of a terminal.
func clip(text string) string {
	const most = 130
	if r := []rune(text); len(r) > most {
		return string(r[:most]) + " ..."
	}
	return text
}
