package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"activedefense/agent/api"
	"activedefense/agent/explain"
)

// withNginx adds an input for nginx's access.log, and the rules of a test.
func withNginx(w *world, rules string) (access string) {
	w.t.Helper()
	access = filepath.Join(w.dir, "access.log")
	text, err := os.ReadFile(w.config)
	if err != nil {
		w.t.Fatal(err)
	}
	added := strings.Replace(string(text), "]}]\n", "]}, {path: "+access+", timezone: UTC, format: pattern, patterns: [{event: web-probe, proven: true, "+
		`regexp: '^(?P<src>\S+) \S+ \S+ \[(?P<time>[^]]+)\] "\S+ /\.env[ ?]'}]}]`+"\n", 1)
	if !strings.Contains(added, access) {
		w.t.Fatalf("no inputs in %s", text)
	}
	w.write(w.config, []byte(added+rules))
	return access
}

func accessLine(at time.Time, src, path string) string {
	return fmt.Sprintf("%s - - [%s] \"GET %s HTTP/1.1\" 404 153 \"-\" \"-\"\n", src, at.UTC().Format("02/Jan/2006:15:04:05 -0700"), path)
}

// What a source does in two files is one verdict of one rule, with evidence from both, over a kill as well; a rule that only tells blocks nobody.
func TestOneRuleAddsUpTwoFiles(t *testing.T) {
	for _, database := range stores {
		t.Run(database, func(t *testing.T) {
			w := newWorld(t, database, "")
			auth := withPatterns(w)
			access := withNginx(w, `
rules:
  - {name: guessing, event: [ssh-failed, web-probe], more_than: 5, window: 10m, block_for: 1h, tag: guessing}
  - {name: curious, event: web-probe, more_than: 0, window: 1h, mode: notice}
`)
			at := time.Now().Add(-time.Minute)
			failed := func(i int) string {
				return authLine(at.Add(time.Duration(2*i)*time.Second), fmt.Sprintf("sshd[7]: Failed password for root from 203.0.113.5 port 5123%d ssh2", i))
			}
			asked := func(i int) string {
				return accessLine(at.Add(time.Duration(2*i+1)*time.Second), "203.0.113.5", "/.env")
			}
			w.write(auth, []byte(failed(0)+failed(1)+failed(2)))
			w.write(access, []byte(asked(0)+asked(1)+accessLine(at, "203.0.113.6", "/.env")))
			d := w.start()
			w.until("six lines are kept", func() bool { s := w.status(); return s != nil && s.Ready && s.Unstored == 0 && s.Stored == 6 })
			d.kill()
			w.write(access, []byte(asked(0)+asked(1)+accessLine(at, "203.0.113.6", "/.env")+asked(2)))
			w.start()
			w.until("the source is blocked", func() bool { code, list := w.list(); return code == 200 && fmt.Sprint(list) == "[203.0.113.5]" })
			got := jsonLines[explain.BlacklistEntry](w, "blacklist", "list", "--rule", "guessing")
			if len(got) != 1 || got[0].Reason != "6 events (ssh-failed or web-probe) within 10m (more than 5)" || got[0].Grade != "proven" || got[0].Hits != 6 || got[0].Tag != "guessing" || !got[0].Expires {
				t.Fatalf("%+v", got)
			}
			stdout, _, _ := w.run("--json", "blacklist", "show", "203.0.113.5")
			var shown struct{ Evidence []struct{ Line string } }
			if err := json.Unmarshal([]byte(stdout), &shown); err != nil || len(shown.Evidence) != 6 || strings.Count(stdout, "Failed password") != 3 || strings.Count(stdout, "GET /.env") != 3 {
				t.Errorf("%v, %s", err, stdout)
			}
			w.until("the firewall has it", func() bool { return strings.Contains(fmt.Sprint(w.tagged()), "203.0.113.5") })
			if stdout, stderr, code := w.run("blacklist", "list", "--rule", "curious"); code != 0 || !strings.Contains(stdout+stderr, "nothing was on the blacklist by rule curious") {
				t.Errorf("exit status %d, %s%s", code, stdout, stderr)
			}
			stdout, _, _ = w.run("blacklist", "show", "203.0.113.6")
			for _, says := range []string{"guessing: at most 1 event within 10m, of 6 needed (no ssh-failed, 1 web-probe, from ", "203.0.113.6 is not blocked: only a rule of mode notice found enough, which tells and blocks nobody",
				"; its mode is notice: it tells, and blocks nobody", "all of them of logs that are read by patterns", "explain --input " + access + " LINE"} {
				if !strings.Contains(stdout, says) {
					t.Errorf("not said: %s\n%s", says, stdout)
				}
			}
			if strings.Contains(stdout, "reached") || strings.Contains(stdout, "answered") {
				t.Errorf("told of destinations that the log does not have: %s", stdout)
			}
			if stdout, _, _ := w.run("blacklist", "history", "203.0.113.6"); strings.Count(stdout, "rule curious: 1 event (web-probe) within 1h") != 1 || !strings.Contains(stdout, "notice") {
				t.Errorf("the history does not say that it was told of: %s", stdout)
			}
			if _, metrics := w.get("/metrics"); !strings.Contains(metrics, `activedefense_verdicts_total{outcome="blocked",rule="guessing"} 1`) {
				t.Error("the verdict is not counted")
			}
		})
	}
}

// Who guesses passwords at our servers is known by the category of the signature that matched their refusals, whatever its number: in one run, and over a kill as well. Of a client
// of ours whom servers refused something else, by a signature among those numbers, what is read again counts as little as it did live.
func TestAKillForgetsNoCategory(t *testing.T) {
	t.Parallel()
	for _, database := range stores {
		t.Run(database, func(t *testing.T) {
			w := newWorld(t, database, "networks: {own: [198.51.100.0/24], ask_firewalls: false}")
			at := time.Now().UTC().Add(-time.Minute).Format("2006/01/02 15:04:05")
			refused := func(client, threat, category string, from, to int) { // by servers of ours of these numbers
				for i := from; i <= to; i++ {
					w.append([]byte(attackLine(map[int]string{1: at, 6: at, csvSrc: fmt.Sprint("198.51.100.", i), csvSrcPort: "22", csvDst: client, csvDstPort: "40000",
						csvDirection: "server-to-client", csvThreat: threat, csvThreatCategory: category, csvSeverity: "medium"}) + "\n"))
				}
			}
			until := func(stored uint64, blocked string) {
				w.until(fmt.Sprint(stored, " lines are kept"), func() bool { s := w.status(); return s != nil && s.Ready && s.Unstored == 0 && s.Stored == stored })
				w.until("blocked are "+blocked, func() bool { code, list := w.list(); return code == 200 && fmt.Sprint(list) == blocked })
			}
			const guessing, other = "SSO Login Refused(41001)", "A Reply With Names(40010)"
			refused("203.0.113.1", guessing, "brute-force", 1, 12)
			refused("203.0.113.2", guessing, "brute-force", 1, 8)
			refused("203.0.113.3", other, "info-leak", 1, 12)
			d := w.start()
			until(32, "[203.0.113.1]")
			d.kill()
			refused("203.0.113.3", guessing, "brute-force", 13, 13)
			refused("203.0.113.2", guessing, "brute-force", 9, 12)
			w.start()
			until(5, "[203.0.113.1 203.0.113.2]")
		})
	}
}

// Each rule is explained: whether it counts the line, how near the source is, or which condition does not hold.
func TestCustomRulesAreExplained(t *testing.T) {
	w := newWorld(t, "sqlite", "")
	auth := withPatterns(w)
	withNginx(w, `
rules:
  - {name: all, event: [ssh-failed, web-probe], more_than: 5, window: 10m, block_for: 1h}
  - {name: users, event: ssh-failed, where: {src_user: [admin, test], not: {src: 203.0.113.0/28}}, count: src_user, more_than: 1, window: 1h, mode: notice}
  - {name: refused, event: traffic, where: {dst_port: 3389}, per: [src, dst], more_than: 2, window: 1h}
`)
	for line, want := range map[string][3]string{
		"sshd[7]: Failed password for admin from 203.0.113.77 port 1 ssh2": {"counts an event ssh-failed of 203.0.113.77, which is blocked at more than 5 within 10m",
			"counts src_user admin of 203.0.113.77, which is told at more than 1 distinct within 1h", "it counts traffic, and this is ssh-failed"},
		"sshd[7]: Failed password for root from 203.0.113.77 port 1 ssh2": {"counts an event", "where: its src_user is root, and the rule wants admin, test", "it counts traffic"},
		"sshd[7]: Failed password for ADMIN from 203.0.113.7 port 1 ssh2": {"counts an event", "where.not: its src is 203.0.113.7, and the rule counts none of 203.0.113.0/28", "it counts traffic"},
		"sshd[7]: Failed password for admin from 192.168.1.1 port 1 ssh2": {"the source 192.168.1.1 is not public", "not public", "not public"},
	} {
		stdout, _, _ := w.run("--json", "explain", "--input", auth, authLine(time.Now(), line))
		var got api.ExplainedLine
		if err := json.Unmarshal([]byte(stdout), &got); err != nil || len(got.Rules) < 3 {
			t.Fatalf("%v, %s", err, stdout)
		}
		for i, rule := range got.Rules[len(got.Rules)-3:] {
			if !strings.HasPrefix(rule.Text, want[i]) && !strings.Contains(rule.Text, want[i]) || rule.Rule != []string{"all", "users", "refused"}[i] || rule.Counts != strings.HasPrefix(want[i], "counts") {
				t.Errorf("%s\n%s counts %v: %q, want %q", line, rule.Rule, rule.Counts, rule.Text, want[i])
			}
		}
	}
}

// An old log is read as the input that it belonged to before it was rotated, and a copy elsewhere as the one that is named.
func TestOldLogsAreReadAsTheirInput(t *testing.T) {
	w := newWorld(t, "sqlite", "")
	auth := withPatterns(w)
	withNginx(w, "\nrules: [{name: guessing, event: ssh-failed, more_than: 0, window: 10m, block_for: 1h}]\n")
	text := []byte(authLine(time.Now(), "sshd[7]: Failed password for root from 203.0.113.5 port 51230 ssh2"))
	elsewhere := filepath.Join(w.dir, "old", "copy")
	if err := os.MkdirAll(filepath.Dir(elsewhere), 0o700); err != nil {
		t.Fatal(err)
	}
	w.write(auth+".1", text)
	w.write(elsewhere, text)
	for _, args := range [][]string{{auth + ".1"}, {"--input", auth, elsewhere}} {
		if got := jsonLines[replayJSON](w, append([]string{"replay"}, args...)...); len(got) != 1 || got[0].Rule != "guessing" {
			t.Errorf("%s: %+v", args, got)
		}
	}
	w.expectRun(2, "belongs to no input", "replay", "--input", elsewhere, elsewhere)
}
