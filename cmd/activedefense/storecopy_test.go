package main

import (
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"activedefense/agent"
	"activedefense/agent/explain"
	"activedefense/store"
	"activedefense/store/transfer"
)

// move copies the database to another one, and has the configuration name that. Who copies once more is told again.
func (w *world) move(to, url, again string) {
	w.t.Helper()
	stdout, stderr, code := w.run("store", "copy", "--to", to)
	if code != 0 || !strings.Contains(stdout, "found equal") {
		w.t.Fatal(code, stdout, stderr)
	}
	w.expectRun(1, again, "store", "copy", "--to", to)
	w.change(`store: \{url: "[^"]*"\}`, `store: {url: "`+url+`"}`)
}

// A daemon goes on with the copy of its database as if nothing had been, from SQLite to PostgreSQL and back: nothing is read twice, nothing is
// released, nothing is to be accepted.
func TestADaemonMovesToAnotherDatabaseAndBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "sqlite", "")
	samples := generate(3000, time.Now().UTC(), rand.New(rand.NewPCG(81, 82)))
	third := len(samples) / 3
	w.append(text(samples[:third]))
	d := w.start()
	w.expect(samples[:third])
	url := newDatabase(t)
	w.expectRun(0, "192.0.2.250", "allow", "add", "192.0.2.250", "--reason", "by hand")
	w.expectRun(1, "stop it first", "store", "copy", "--to", url)
	listed := jsonLines[explain.BlacklistEntry](w, "blacklist", "list")
	d.stop()

	w.expectRun(0, "is taken", "store", "accept") // of the former one, which its copy is bound to then
	w.expectRun(2, "neither the URL", "store", "copy", "--to", filepath.Join(w.dir, "store.db"))
	w.expectRun(2, "is SQLite too", "store", "copy", "--to", "sqlite:")
	file := filepath.Join(w.dir, "store.url")
	w.write(file, []byte(url+"\n"))
	w.move(file, url, "store copy made of it, is another one") // which was accepted just now
	goesOn := func(all int) {
		t.Helper()
		w.append(text(samples[all-third : all]))
		d = w.start()
		w.expect(samples[:all])
		w.expectRecords(samples[:all]) // each once
		now := jsonLines[explain.BlacklistEntry](w, "blacklist", "list")
		for _, e := range listed {
			if !slices.ContainsFunc(now, func(n explain.BlacklistEntry) bool {
				return n.Address == e.Address && n.FirstSeen.Equal(e.FirstSeen) && n.BlockedAt.Equal(e.BlockedAt)
			}) {
				t.Errorf("%s is not what it was", e.Address)
			}
		}
		if s := w.status(); s.Store.Refused != "" || s.Store.Failures > 0 {
			t.Errorf("%+v", s.Store)
		}
		w.expectRun(0, "by hand", "allow", "list")
		listed = now
		d.stop()
		if log := d.log(); strings.Contains(log, "store accept") || strings.Contains(log, "the database lacks") {
			t.Error("it says that the database is another one")
		}
	}
	goesOn(2 * third)

	_, stderr, _ := w.run("store", "backup", filepath.Join(w.dir, "backup.db"))
	_, command, _ := strings.Cut(stderr, "backs it up itself: ")
	dump := exec.Command("sh", "-c", command)
	dump.Dir = w.dir
	if out, err := dump.CombinedOutput(); err != nil || !strings.HasPrefix(command, "pg_dump ") {
		t.Errorf("%s: %v: %s", stderr, err, out)
	}
	if head, err := os.ReadFile(filepath.Join(w.dir, "activedefense.dump")); err != nil || !strings.HasPrefix(string(head), "PGDMP") {
		t.Error("it is no dump:", err)
	}
	w.expectRun(1, "rows in its table", "store", "copy", "--to", "sqlite:") // the former one is there
	former := filepath.Join(w.dir, "state", agent.DatabaseFile)
	if err := os.Rename(former, former+".former"); err != nil {
		t.Fatal(err)
	}
	w.move("sqlite:", "", "it is a copy of this database already, which is whole. ")
	if info, err := os.Stat(former); err != nil || info.Mode().Perm() != 0o600 {
		t.Error(info, err)
	}
	goesOn(3 * third)
}

// What store/README.md says of backup and restore is done as it stands there, with a daemon that is killed right after the backup.
func TestTheBackupOfARunningDaemonIsRestoredAsDocumented(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "sqlite", "")
	samples := generate(3000, time.Now().UTC(), rand.New(rand.NewPCG(83, 84)))
	half := len(samples) / 2
	w.append(text(samples[:half]))
	d := w.start()
	w.expect(samples[:half])
	d.stop()
	sealed := w.seal()
	d = w.start()
	to, from := filepath.Join(w.dir, "backups"), filepath.Join(w.dir, "state")
	w.document("Backup", to, from)
	if files, err := filepath.Glob(filepath.Join(to, store.RecordsFolder, "*.parquet")); err != nil || len(files) < sealed || sealed == 0 {
		t.Fatalf("%d files of records were sealed, the backup has %v, %v", sealed, files, err)
	}
	backup := filepath.Join(to, agent.DatabaseFile)
	if info, err := os.Stat(backup); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatal(info, err)
	}
	w.expectRun(1, "is there already", "store", "backup", backup)
	w.expectRun(1, "no such file or directory", "store", "backup", filepath.Join(w.dir, "nowhere", "backup.db"))
	w.append(text(samples[half:]))
	w.expect(samples)
	d.kill()
	w.expectRun(0, "whole", "store", "backup", filepath.Join(to, "without a daemon.db"))

	w.document("Restore", to, from)
	d = w.start()
	w.expect(samples) // what was read since is read again
	w.expectRecords(samples)
	if s := w.status(); s.Store.Refused != "" {
		t.Errorf("%+v", s.Store)
	}
	d.stop()
	if left, err := filepath.Glob(filepath.Join(to, "*partial*")); err != nil || len(left) > 0 {
		t.Errorf("left %v, %v", left, err)
	}
}

// seal has all records made into files, as a daemon does in time, and tells into how many.
func (w *world) seal() (files int) {
	w.t.Helper()
	folder := filepath.Join(w.dir, "state")
	st, err := store.Open(w.t.Context(), store.Options{Path: filepath.Join(folder, agent.DatabaseFile), Instance: store.CommandLine})
	if err != nil {
		w.t.Fatal(err)
	}
	for now := time.Now(); err == nil && files == 0; now = now.Add(time.Minute) {
		var list []string
		_, err = st.Archive().Step(w.t.Context(), now)
		list, _ = filepath.Glob(filepath.Join(folder, store.RecordsFolder, "*.parquet"))
		files = len(list)
	}
	if err := errors.Join(err, st.Close()); err != nil {
		w.t.Fatal(err)
	}
	return files
}

// document does what a section of store/README.md has in a shell, but for what asks for systemd, for PostgreSQL, or for the paths of an
// installation.
func (w *world) document(section, backups, state string) {
	w.t.Helper()
	data, err := os.ReadFile("../../store/README.md")
	if err != nil {
		w.t.Fatal(err)
	}
	found := regexp.MustCompile(`(?s)\n## ` + section + `\n.*?` + "```sh\n(.*?)```").FindSubmatch(data)
	if found == nil {
		w.t.Fatalf("no script in the section %s", section)
	}
	var lines []string
	for line := range strings.Lines(string(found[1])) {
		if strings.Contains(line, "runuser -u postgres") || strings.Contains(line, "/etc/activedefense") || strings.HasPrefix(line, "systemctl") {
			continue
		}
		line = strings.NewReplacer("/var/lib/activedefense", state, "/var/backups/activedefense", backups, "-o activedefense -g activedefense ", "").Replace(line)
		lines = append(lines, line)
	}
	script := "set -eu\nactivedefense() { \"$PROGRAM\" --config \"$CONFIG\" \"$@\"; }\n" + strings.Join(lines, "")
	cmd := w.command()
	shell := exec.Command("sh", "-c", script)
	shell.Env = append(cmd.Env, "PROGRAM="+cmd.Path, "CONFIG="+w.config)
	if out, err := shell.CombinedOutput(); err != nil {
		w.t.Fatal(errors.Join(err, errors.New(script+"\n"+string(out))))
	}
}

// At a terminal it is one line that is written over and taken away at the end, elsewhere a line now and then.
func TestTheProgressOfACopy(t *testing.T) {
	for again, want := range map[bool]string{
		true:  "\r\x1b[Kcopying records: 10,000 of 1,000,000 rows\r\x1b[Kcomparing records: 20,000 of 1,000,000 rows\r\x1b[K",
		false: "copying records: 10,000 of 1,000,000 rows\ncomparing records: 20,000 of 1,000,000 rows\n",
	} {
		var out strings.Builder
		p := &copyProgress{w: &out, again: again}
		p.tell(transfer.Progress{Table: "records", Rows: 10_000, Of: 1_000_000})
		p.every = time.Hour
		p.tell(transfer.Progress{Table: "records", Rows: 15_000, Of: 1_000_000})
		p.every = 0
		p.tell(transfer.Progress{Table: "records", Rows: 20_000, Of: 1_000_000, Checking: true})
		if p.end(); out.String() != want {
			t.Errorf("%q instead of %q", out.String(), want)
		}
	}
}
