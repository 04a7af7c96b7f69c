package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"activedefense/agent/api"
	"activedefense/config"
	"activedefense/detect/pattern"
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
			if s := w.status(); len(s.BadLines) != 1 || s.BadLines[0].Path != auth || !strings.Contains(s.BadLines[0].Error, "src took is no address") {
				t.Errorf("%+v", s.BadLines)
			}
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
		"sshd[7]: Failed password for root from a.example port 51234 ssh2":   {"cannot be parsed: pattern 1 of " + auth + ", for ssh-failed, took it", "no address"},
		"CRON[7]: session opened":                                            {"is ignored: no pattern takes the line (the ", " patterns of " + auth + ")"},
	} {
		stdout, stderr, _ := w.run("explain", "--input", auth, authLine(time.Now(), line))
		for _, text := range want {
			if !strings.Contains(stdout+stderr, text) {
				t.Errorf("%q is not in %s%s", text, stdout, stderr)
			}
		}
	}
	if _, stderr, code := w.run("explain", "--input", "/var/log/none", "a line"); code != exitUsage || !strings.Contains(stderr, "/var/log/none belongs to no input of the configuration; those are "+w.dir+"/logs/*.log, "+auth) {
		t.Errorf("exit status %d, %s", code, stderr)
	}
}

func sorted(texts []string) []string {
	slices.Sort(texts)
	return texts
}

var spaces = regexp.MustCompile(` +`)

// What patterns take of a file, and what none takes, is counted and shown, also compressed and on standard input.
func TestPatternsAreTried(t *testing.T) {
	w := newWorld(t, "sqlite", "")
	auth := withPatterns(w)
	at := time.Now()
	stamp := at.UTC().Truncate(time.Second).Format(time.RFC3339)
	text := authLine(at, "sshd[7]: Failed password for root from 203.0.113.5 port 51234 ssh2") +
		authLine(at, "sshd[7]: Failed password for \x1b[2J from scan.example.com port 51234 ssh2") +
		authLine(at, "CRON[7]: session opened") + authLine(at, "app[7]: refused 203.0.113.6 for a reason")
	w.write(auth, []byte(text))
	elsewhere := filepath.Join(w.dir, "old.gz")
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	if _, err := z.Write([]byte(text)); err != nil || z.Close() != nil {
		t.Fatal(err)
	}
	w.write(elsewhere, packed.Bytes())
	for _, args := range [][]string{{auth}, {elsewhere}, {elsewhere, "--input", auth}} {
		stdout, stderr, code := w.run(append([]string{"patterns", "test"}, args...)...)
		for _, says := range []string{"4 lines, of which the patterns of " + auth + " take 3\n", " ssh-failed 2 1 0 ", " app-refused 1 0 0 ",
			"\n src 203.0.113.5, src_port 51234, src_user root, time " + stamp + ", device bastion\n",
			"\n bad: what the group src took is no address", "\n src 203.0.113.6, threat_name a reason, time " + stamp + ", device bastion\n", "no pattern takes 1 line, the first of them:\n", "CRON[7]: session opened\n", "1, ssh-failed:\n", "µs", `(?P<src>\S+) port (?P<src_port>\d+)(?: ssh2)?(?: \[preauth\])?$`} {
			if code != 0 || !strings.Contains(spaces.ReplaceAllString(stdout, " "), says) || strings.Contains(stdout, "\x1b") {
				t.Errorf("%v: %q is not in (exit status %d) %s%s", args, says, code, stdout, stderr)
			}
		}
	}
	got := jsonLines[tried](w, "patterns", "test", auth, "--set", "sshd")
	if last := got[len(got)-1]; got[0].Event != "ssh-failed" || got[0].Lines != 2 || got[0].NoAddress != 1 || len(got[0].Samples) != 2 || last.Pattern != 0 || last.Lines != 2 {
		t.Errorf("%+v", got)
	}
	for says, args := range map[string][]string{
		`"ssh" is not a set of patterns; there are apache-access, `: {auth, "--set", "ssh"},
		"belongs to no input with patterns; those are ":             {auth, "--input", w.log},
	} {
		if _, stderr, code := w.run(append([]string{"patterns", "test"}, args...)...); code != exitUsage || !strings.Contains(stderr, says) {
			t.Errorf("%v: exit status %d, %s", args, code, stderr)
		}
	}
}

// A set is shown as it would stand in the configuration.
func TestASetIsShownAsItWouldBeConfigured(t *testing.T) {
	w := newWorld(t, "sqlite", "")
	auth := withPatterns(w)
	if stdout, _, code := w.run("patterns", "show"); code != 0 || !regexp.MustCompile(`(?m)^sshd +ssh-invalid-user +the host has no such user$`).MatchString(stdout) {
		t.Errorf("exit status %d, %s", code, stdout)
	}
	for _, set := range pattern.Sets() {
		stdout, stderr, code := w.run("patterns", "show", set)
		w.write(w.config, []byte("inputs:\n  - path: "+auth+"\n    format: pattern\n    "+strings.ReplaceAll(stdout, "\n", "\n    ")+"\n"))
		cfg, _, err := config.Load(config.Options{Path: w.config})
		if code != 0 || err != nil {
			t.Fatalf("exit status %d, %v, %s%s", code, err, stdout, stderr)
		}
		want, _ := pattern.Named(set)
		for i, p := range want {
			if cfg.Inputs[0].Patterns.At(i) != p {
				t.Errorf("%+v, want %+v", cfg.Inputs[0].Patterns.At(i), p)
			}
		}
	}
}
