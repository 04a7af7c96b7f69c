// Command demo shows the agent at work, in one process and without root, a database server or a
// network: a simulated firewall, the real agent on SQLite in a temporary folder, and a log file into
// which fresh attacks are written. It ends by itself after about 20 seconds, with status 0 if every
// attacker was blocked on the list and on the firewall, and nobody else.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	stay := flag.Bool("stay", false, "go on with background traffic until interrupted")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Stdout, *stay)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

// run is the whole show.
func run(ctx context.Context, out io.Writer, stay bool) error {
	s, err := newStage(out)
	if err != nil {
		return err
	}
	defer s.close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if err := s.begin(ctx); err != nil {
		return err
	}
	for _, attack := range attacks {
		if err := s.play(ctx, attack); err != nil {
			return err
		}
	}
	if err := s.bystander(ctx); err != nil {
		return err
	}
	if err := s.explain(ctx, attacks[0].source); err != nil {
		return err
	}
	if err := s.fetchList(ctx); err != nil {
		return err
	}
	if stay {
		s.say("stay", "background traffic goes on; Ctrl-C ends it. State, log and certificates are in %s", s.dir)
		<-ctx.Done()
	}
	return s.end(cancel)
}

// An attack is what one source does.
type attack struct {
	source  string
	what    string
	pause   time.Duration // between its lines
	lines   int
	line    func(i int) record
	country string
}

// The three rules, one attacker each.
var attacks = []attack{
	{source: "203.0.113.66", what: "scans the ports of 198.51.100.7", pause: 120 * time.Millisecond, lines: 11, country: "Netherlands",
		line: func(i int) record {
			return record{dst: "198.51.100.7", port: 8000 + i, action: "drop", subtype: "drop", typ: "TRAFFIC"}
		}},
	{source: "192.0.2.150", what: "looks for port 3389 on every public address", pause: 120 * time.Millisecond, lines: 10, country: "Germany",
		line: func(i int) record {
			return record{dst: fmt.Sprintf("198.51.100.%d", 10+i), port: 3389, action: "drop", subtype: "drop", typ: "TRAFFIC"}
		}},
	{source: "2001:db8:bad::7", what: "attacks the VPN portal", lines: 1, country: "Canada",
		line: func(int) record {
			return record{dst: "2001:db8:1::7", port: 443, action: "reset-both", subtype: "vulnerability", typ: "THREAT",
				threat: "GlobalProtect OS Command Injection Vulnerability", id: "95187", severity: "critical"}
		}},
}

// A record is one line in the key=value format that firewalls are asked to send.
type record struct {
	dst, action, subtype, typ, threat, id, severity string
	port                                            int
}

func (r record) text(source, country string, now time.Time) string {
	return fmt.Sprintf("%s LAB-FW-01 SrcLocation=%s; SrcIP=%s; SrcPort=%d; SrcUser=; DstLocation=Australia; DstIP=%s; DstPort=%d; Action=%s; "+
		"RuleName=Active Defense sensor; RuleID=; TimeReceived=%s; ThreatName=%s; ThreatID=%s; Severity=%s; Subtype=%s; Type=%s;\n",
		now.Format(time.RFC3339), country, source, 40000+now.Nanosecond()%20000, r.dst, r.port, r.action,
		now.Format("2006/01/02 15:04:05"), r.threat, r.id, r.severity, r.subtype, r.typ)
}
