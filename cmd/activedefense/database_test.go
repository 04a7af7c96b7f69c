package main

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"activedefense/agent"
	"activedefense/agent/explain"
	"activedefense/agent/trouble"
	"activedefense/store"
)

// replaceDatabase has the next start find a database that knows nothing.
func (w *world) replaceDatabase(database string) {
	w.t.Helper()
	if database == "postgresql" {
		data, err := os.ReadFile(w.config)
		if err != nil {
			w.t.Fatal(err)
		}
		_, rest, _ := bytes.Cut(data, []byte(`store: {url: "`))
		before, _, _ := bytes.Cut(rest, []byte(`"`))
		w.write(w.config, bytes.Replace(data, before, []byte(newDatabase(w.t)), 1))
		return
	}
	files, err := filepath.Glob(filepath.Join(w.dir, "state", agent.DatabaseFile+"*"))
	if err != nil || len(files) == 0 {
		w.t.Fatal(files, err)
	}
	for _, file := range files {
		if err := os.Remove(file); err != nil {
			w.t.Fatal(err)
		}
	}
}

// A start onto a database that was emptied, or is another one, must not empty the list.
func TestADatabaseThatWasReplacedShrinksNothing(t *testing.T) {
	t.Parallel()
	for _, database := range stores {
		t.Run(database, func(t *testing.T) {
			w := newWorld(t, database, "")
			samples := generate(2000, time.Now().UTC(), rand.New(rand.NewPCG(71, 72)))
			want := judge(samples)
			w.append(text(samples))
			d := w.start()
			w.expect(samples)
			d.stop()
			w.replaceDatabase(database)

			d = w.start()
			w.until("/readyz says why and what to do", func() bool {
				code, body := w.get("/readyz")
				return code == 503 && strings.Contains(body, "emptied") && strings.Contains(body, "activedefense store accept")
			})
			w.until("it was tried several times", func() bool { s := w.status(); return s != nil && s.Store.Failures >= 3 })
			if code, list := w.list(); code != 200 || !slices.Equal(slices.Sorted(slices.Values(list)), want) {
				t.Errorf("the list answers %d with %d entries instead of %d", code, len(list), len(want))
			}
			if !slices.Equal(w.tagged(), want) {
				t.Errorf("the firewall holds %d instead of %d", len(w.tagged()), len(want))
			}
			if n := strings.Count(d.log(), "emptied"); n != 1 {
				t.Errorf("it was logged %d times", n)
			}
			d.stop()
			d = w.start()
			w.until("the next start refuses it, too", func() bool { code, body := w.get("/readyz"); return code == 503 && strings.Contains(body, "emptied") })

			if stdout, stderr, code := w.run("store", "accept"); code != 0 || !strings.Contains(stdout, "is taken") {
				t.Fatal(code, stdout, stderr)
			}
			w.until("it goes on when it is told to", func() bool { s := w.status(); return s != nil && s.Ready })
			w.expect(samples) // all lines were read again
			if code, _ := d.stop(); code != 0 {
				t.Errorf("exit status %d", code)
			}
		})
	}
}

// A backup that is taken while the daemon runs, and put back under it, and a PostgreSQL that a standby without the last commits replaces.
func TestADatabaseThatLosesItsLastCommitsUnderTheDaemon(t *testing.T) {
	t.Parallel()
	for _, database := range stores {
		t.Run(database, func(t *testing.T) {
			w := newWorld(t, database, "")
			keep, putBack := w.backup(database)
			samples := generate(4000, time.Now().UTC(), rand.New(rand.NewPCG(73, 74)))
			half := len(samples) / 2
			w.append(text(samples[:half]))
			d := w.start()
			w.expect(samples[:half])
			keep()
			w.append(text(samples[half:]))
			w.expect(samples)
			_, served := w.list()
			if database == "sqlite" { // the copy keeps the identity; one that has another is refused, and not for the configuration
				file := filepath.Join(w.dir, "state", agent.DatabaseFile)
				st, err := store.Open(t.Context(), store.Options{Path: file + ".other"})
				if err != nil {
					t.Fatal(err)
				}
				move := func(from, to string) error {
					return errors.Join(os.Rename(from, to), os.Rename(from+"-wal", to+"-wal"), os.Rename(from+"-shm", to+"-shm"))
				}
				if err := errors.Join(st.Close(), move(file, file+".former"), os.Rename(file+".other", file)); err != nil {
					t.Fatal(err)
				}
				if _, stderr, code := w.run("blacklist", "list"); code != 1 || !strings.Contains(stderr, "was replaced under the daemon") {
					t.Errorf("exit status %d: %s", code, stderr)
				}
				if err := move(file+".former", file); err != nil {
					t.Fatal(err)
				}
				w.until("it goes on when the file is back", func() bool { s := w.status(); return s != nil && s.Ready })
			}
			begun := time.Now()
			putBack()
			w.until("/readyz says why and what to do", func() bool {
				code, body := w.get("/readyz")
				return code == 503 && strings.Contains(body, "activedefense store accept")
			})
			if took := time.Since(begun); took > 10*time.Second {
				t.Errorf("noticed after %s", took)
			}
			if s := w.status(); s.Ready || !slices.ContainsFunc(s.Troubles, func(t trouble.Trouble) bool { return strings.Contains(t.Remedy, "activedefense store accept") }) {
				t.Errorf("troubles %+v", s.Troubles)
			}
			w.until("the log says it", func() bool { return strings.Contains(d.log(), "the database is not what it was") })
			if code, list := w.list(); code != 200 || len(list) != len(served) {
				t.Errorf("meanwhile the list answers %d with %d entries instead of %d", code, len(list), len(served))
			}
			refused := func(when string) {
				t.Helper()
				if _, stderr, code := w.run("blacklist", "list"); code != 0 || !strings.Contains(stderr, "warning: the daemon at") || !strings.Contains(stderr, "store accept") {
					t.Errorf("%s: it is read with %d and %s", when, code, stderr)
				}
				if _, stderr, code := w.run("blacklist", "add", "203.0.113.77", "--reason", "x"); code != 1 || !strings.Contains(stderr, "nothing was changed: the daemon at") {
					t.Errorf("%s: it is changed with %d and %s", when, code, stderr)
				}
			}
			if database == "postgresql" { // the other file is none that the daemon has
				refused("it runs")
			}
			d.stop()
			d = w.start()
			w.until("the next start refuses it, too", func() bool { s := w.status(); return s != nil && s.Store.Refused != "" })
			refused("it was started again")
			if code, list := w.list(); code != 200 || len(list) != len(served) {
				t.Errorf("after a start the list answers %d with %d entries instead of %d", code, len(list), len(served))
			}
			if stdout, stderr, code := w.run("store", "accept"); code != 0 {
				t.Fatal(code, stdout, stderr)
			}
			w.expect(samples)
			w.expectRecords(samples)
			if code, _ := d.stop(); code != 0 {
				t.Errorf("exit status %d", code)
			}
		})
	}
}

// Whatever lies in the state folder, the configuration is valid: the daemon goes on trying, or ends with 1 so that the service manager does,
// and says which file it is.
func TestADamagedStateFolderIsNoFaultOfTheConfiguration(t *testing.T) {
	t.Parallel()
	labels := filepath.Join(t.TempDir(), "labels.txt")
	w := newWorld(t, "sqlite", "labels: [{file: "+labels+", label: x, mode: block}]")
	w.write(labels, []byte("203.0.113.77\n"))
	w.append(text(generate(2000, time.Now().UTC(), rand.New(rand.NewPCG(75, 76)))))
	d := w.start()
	w.until("it has read", func() bool { s := w.status(); return s != nil && s.Ready && s.Stored >= 1000 })
	d.stop()
	state := filepath.Join(w.dir, "state")
	for file, said := range map[string]bool{"activedefense.db": true, "database.json": true, "instance": true, "ca.crt": true, "ca.key": true,
		"server.pem": false, "blacklist.txt": false, "labels": false, "lock": true} { // false: it goes on without
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			v := &world{t: t, dir: t.TempDir(), admin: freePort(t), edl: freePort(t)}
			v.config = filepath.Join(v.dir, "c.yaml")
			damaged := filepath.Join(v.dir, "state")
			if err := os.CopyFS(damaged, os.DirFS(state)); err != nil {
				t.Fatal(err)
			}
			if err := os.RemoveAll(filepath.Join(damaged, file)); err != nil {
				t.Fatal(err)
			}
			if file == "lock" {
				if err := os.Mkdir(filepath.Join(damaged, file), 0o700); err != nil {
					t.Fatal(err)
				}
			} else {
				v.write(filepath.Join(damaged, file), bytes.Repeat([]byte("\x00junk\xff"), 500))
			}
			v.write(v.config, fmt.Appendf(nil, "state_dir: %s\nlog: {format: json}\ninputs: [{path: %s/logs/*.log, timezone: UTC}]\nedl: {listen: %q}\nadmin: {listen: %q}\nlabels: [{file: %s, label: x, mode: block}]\n",
				damaged, w.dir, v.edl, v.admin, labels))
			d := v.start()
			v.until("it is said, or it goes on", func() bool {
				select {
				case <-d.done:
					return true
				default:
				}
				code, body := v.get("/readyz")
				return code == 200 || code == 503 && strings.Contains(body, "reading has stopped")
			})
			ready, _ := v.get("/readyz")
			if _, body := v.get("/readyz"); said && !strings.Contains(body+d.log(), filepath.Join(damaged, file)) || said == (ready == 200) {
				t.Errorf("/readyz answers %d %s", ready, body)
			}
			d.stop()
			if code := d.cmd.ProcessState.ExitCode(); code > 1 {
				t.Errorf("exit status %d", code)
			}
		})
	}
}

// backup gives what copies the database while the daemon runs, and what puts the copy into its place.
func (w *world) backup(database string) (keep, putBack func()) {
	w.t.Helper()
	if database == "sqlite" {
		file := filepath.Join(w.dir, "state", agent.DatabaseFile)
		return func() {
				db, err := sql.Open("sqlite", file)
				if err == nil {
					_, err = db.Exec("VACUUM INTO '" + file + ".copy'")
				}
				if err := errors.Join(err, db.Close()); err != nil {
					w.t.Fatal(err)
				}
			}, func() {
				if err := errors.Join(os.Remove(file+"-wal"), os.Remove(file+"-shm"), os.Rename(file+".copy", file)); err != nil {
					w.t.Fatal(err)
				}
			}
	}
	url := w.storeURL()
	name := url[strings.LastIndex(url, "/")+1 : strings.Index(url, "?")]
	line := w.wire()
	alone := func(statements ...string) { // a database can be copied and renamed while nobody uses it
		w.t.Helper()
		line.cut()
		conn, err := pgx.Connect(w.t.Context(), os.Getenv("TEST_POSTGRES_URL"))
		if err != nil {
			w.t.Fatal(err)
		}
		defer conn.Close(w.t.Context())
		for _, s := range append([]string{"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '" + name + "'"}, statements...) {
			w.until(s, func() bool { _, err = conn.Exec(w.t.Context(), s); return err == nil })
		}
		line.connect(w.t)
	}
	return func() { alone("CREATE DATABASE " + name + "_copy TEMPLATE " + name) },
		func() { alone("DROP DATABASE "+name, "ALTER DATABASE "+name+"_copy RENAME TO "+name) }
}

// storeURL is the URL of the database.
func (w *world) storeURL() string {
	w.t.Helper()
	data, err := os.ReadFile(w.config)
	if err != nil {
		w.t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(data), `store: {url: "`)
	url, _, _ := strings.Cut(rest, `"`)
	return url
}

func TestAFirewallThatWasRenamedIsNotNamedAnyMore(t *testing.T) {
	t.Parallel() // it waits for time to pass
	w := newWorld(t, "sqlite", "")
	samples := generate(2000, time.Now().UTC(), rand.New(rand.NewPCG(81, 82)))
	w.append(text(samples))
	d := w.start()
	w.expect(samples)
	noted := func(name string) func() bool { // with what it holds, and that no rule of it stops that
		return func() bool {
			x := jsonLines[explain.Explanation](w, "blacklist", "show", portScanner(samples))
			return len(x) == 1 && len(x[0].Enforced) == 1 && x[0].Enforced[0].Firewall == name && x[0].Enforced[0].State == "pending" && !x[0].Enforced[0].SeenAt.IsZero() &&
				strings.Contains(x[0].Enforced[0].Fault, "no dynamic address group has a filter that matches")
		}
	}
	w.until("it is noted under its name", noted("LAB-FW-01"))
	d.stop()
	data, err := os.ReadFile(w.config)
	if err != nil {
		t.Fatal(err)
	}
	w.write(w.config, bytes.Replace(data, []byte("{name: LAB-FW-01"), []byte("{name: LAB-FW-02"), 1))
	x := jsonLines[explain.Explanation](w, "blacklist", "show", portScanner(samples))
	if len(x) != 1 || len(x[0].Enforced) != 2 || !x[0].Enforced[0].Unknown || x[0].Enforced[1].Firewall != "LAB-FW-02" || x[0].Enforced[1].State != "unknown" {
		t.Errorf("before the next start: %+v", x)
	}
	w.start()
	w.until("it is noted under its new name alone", noted("LAB-FW-02"))
}
