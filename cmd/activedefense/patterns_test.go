package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"activedefense/agent/api"
)

// withPatterns adds an input with the patterns of sshd, for auth.log below the world's folder, and one of the test.
func withPatterns(w *world) (auth string) {
	w.t.Helper()
	auth = filepath.Join(w.dir, "auth.log")
	text, err := os.ReadFile(w.config)
	if err != nil {
		w.t.Fatal(err)
	}
	added := strings.Replace(string(text), "timezone: UTC}]", "timezone: UTC}, {path: "+auth+", timezone: UTC, format: pattern, patterns: [sshd, "+
		`{event: app-refused, regexp: 'app\[\d+\]: refused (?P<src>\S+) for (?P<threat_name>.*)$'}]}]`, 1)
	w.write(w.config, []byte(added))
	return auth
}

func authLine(at time.Time, message string) string {
	return at.UTC().Format("Jan _2 15:04:05") + " bastion " + message + "\n"
}

// Lines of another log are records by their patterns, once each, over a kill as well; those of none are counted, and no fault.
func TestLinesTakenByPatternsAreRecords(t *testing.T) {
	for _, database := range stores {
		t.Run(database, func(t *testing.T) {
			w := newWorld(t, database, "")
			auth := withPatterns(w)
			at := time.Now().Add(-time.Minute)
			first := authLine(at, "sshd[7]: Failed password for invalid user admin from 203.0.113.5 port 51234 ssh2") +
				authLine(at, "sshd[7]: Failed password for root from scan.example.com port 51234 ssh2") +
				authLine(at, "CRON[7]: pam_unix(cron:session): session opened for user root(uid=0) by (uid=0)") +
				authLine(at, "app[7]: refused 203.0.113.6 for a reason")
			w.write(auth, []byte(first))
			d := w.start()
			stored := func(n uint64) func() bool {
				return func() bool {
					s := w.status()
					return s != nil && s.Ready && s.Unstored == 0 && s.Stored == n
				}
			}
			w.until("the lines are kept", stored(2))
			d.kill()
			w.write(auth, []byte(first+authLine(at, "sshd[7]: Failed password for root from 203.0.113.5 port 51235 ssh2")))
			w.start()
			w.until("the next line is kept", stored(1))
			in := w.status().Inputs
			for _, f := range in {
				if f.Path == auth && (f.Lines != 1 || f.Records != 1 || f.Bad != 0) {
					t.Errorf("%+v", f)
				}
			}
			var got []string
			for _, r := range jsonLines[api.Record](w, "records", "--type", "log") {
				got = append(got, fmt.Sprintf("%s %s %s %s:%d %s %s", r.Subtype, r.Device, r.Src, r.SrcUser, r.SrcPort, r.Grade, r.ThreatName))
			}
			want := "[app-refused bastion 203.0.113.6 :0 forgeable a reason ssh-failed bastion 203.0.113.5 admin:51234 proven  ssh-failed bastion 203.0.113.5 root:51235 proven ]"
			if fmt.Sprint(sorted(got)) != want {
				t.Errorf("%v, want %s", got, want)
			}
			if got := jsonLines[api.Record](w, "records", "--subtype", "ssh-failed"); len(got) != 2 {
				t.Errorf("%d of ssh-failed", len(got))
			}
		})
	}
}

func TestALineOfAPatternIsExplained(t *testing.T) {
	w := newWorld(t, "sqlite", "")
	auth := withPatterns(w)
	for line, want := range map[string][]string{
		"sshd[7]: Failed password for root from 203.0.113.5 port 51234 ssh2": {"LOG ssh-failed", "203.0.113.5:51234", "root", "bastion", "Failed (?:password", "proven", "only TRAFFIC and THREAT records count"},
		"app[7]: refused 203.0.113.6 for a reason":                           {"LOG app-refused", "a reason", "refused (?P<src>", "forgeable"},
		"sshd[7]: Failed password for root from a.example port 51234 ssh2":   {"is ignored: pattern 1 of " + auth + ", for ssh-failed, took it", "no address"},
		"CRON[7]: session opened":                                            {"is ignored: no pattern takes the line (the ", " patterns of " + auth + ")"},
	} {
		stdout, stderr, _ := w.run("explain", "--input", auth, authLine(time.Now(), line))
		for _, text := range want {
			if !strings.Contains(stdout+stderr, text) {
				t.Errorf("%q is not in %s%s", text, stdout, stderr)
			}
		}
	}
	if _, stderr, code := w.run("explain", "--input", "/var/log/none", "a line"); code != exitUsage || !strings.Contains(stderr, "/var/log/none belongs to no input of the configuration; those have the paths "+w.dir+"/logs/*.log, "+auth) {
		t.Errorf("exit status %d, %s", code, stderr)
	}
}

func sorted(texts []string) []string {
	slices.Sort(texts)
	return texts
}
