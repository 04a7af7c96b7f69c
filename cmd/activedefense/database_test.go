package main

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"activedefense/agent"
	"activedefense/agent/explain"
	"activedefense/agent/members"
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
				if _, stderr, code := w.run("blacklist", "list"); code > 1 || !strings.Contains(stderr, "replaced") { // 0: the daemon has found it already, and shows what it knew
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
			if file == "database.json" { // a command takes no database that the daemon would refuse
				v.expectRun(1, "nothing was changed: the daemon, which does not answer, refuses this database", "blacklist", "add", "203.0.113.8", "--reason", "x")
				v.expectRun(0, "store accept", "blacklist", "list")
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
	name, alone := w.alone()
	return func() { alone("CREATE DATABASE " + name + "_copy TEMPLATE " + name) },
		func() { alone("DROP DATABASE "+name, "ALTER DATABASE "+name+"_copy RENAME TO "+name) }
}

// alone gives the name of the PostgreSQL database, and what does something with it while the daemon cannot reach it: a database can be
// copied and renamed while nobody uses it.
func (w *world) alone() (name string, do func(statements ...string)) {
	url := w.storeURL()
	name = url[strings.LastIndex(url, "/")+1 : strings.Index(url, "?")]
	line := w.wire()
	return name, func(statements ...string) {
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
}

// A database with another history that has come further takes the place of the daemon's, while it runs and before a start. Nothing of it is
// taken over, nothing is changed in it, and the daemon goes on by itself with the right one, or with the other one when a person accepts it.
func TestADatabaseWithAnotherHistoryIsLeftAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "postgresql", "blacklist: {release_after: 10m}")
	direct := w.databaseURL()
	name, alone := w.alone()
	foreign := strings.Replace(direct, name, name+"_other", 1)
	swap := func() {
		t.Helper()
		alone("ALTER DATABASE "+name+" RENAME TO "+name+"_away", "ALTER DATABASE "+name+"_other RENAME TO "+name, "ALTER DATABASE "+name+"_away RENAME TO "+name+"_other")
	}
	alone("CREATE DATABASE " + name + "_other")
	other, err := store.Open(t.Context(), store.Options{URL: foreign, Instance: "another"})
	if err != nil {
		t.Fatal(err)
	}
	for n := range 20 { // all of them quiet for long
		if _, _, err := other.Block(t.Context(), store.Block{Address: netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(n + 1)}), 32), Reason: "x", By: store.ByDetector, LastSeen: time.Now().Add(-time.Hour)}); err != nil {
			t.Fatal(err)
		}
	}
	err = errors.Join(err, other.Announce(t.Context(), store.Sign{Name: "another"}, []store.Guarded{{Address: netip.MustParsePrefix("203.0.113.0/24"), What: "in never_block"}}), other.Close())
	if err != nil {
		t.Fatal(err)
	}
	w.append(nil)
	d := w.start()
	w.attack("203.0.113.66", "203.0.113.77")
	held := []string{"203.0.113.66", "203.0.113.77"}
	served := func(when string, want []string) {
		t.Helper()
		w.until(when+": list and firewall", func() bool {
			_, list := w.list()
			slices.Sort(list)
			return slices.Equal(list, want) && slices.Equal(w.tagged(), want)
		})
	}
	served("at first", held)
	refused := func(when string) {
		t.Helper()
		w.until(when+": it is refused", func() bool { s := w.status(); return s != nil && s.Store.Refused != "" && !s.Ready })
		served(when, held)
	}
	for _, when := range []string{"while it runs", "before a start"} {
		if when == "before a start" {
			d.stop()
			swap()
			d = w.start()
		} else {
			swap()
		}
		refused(when)
		source := map[string]string{"while it runs": "203.0.113.78", "before a start": "203.0.113.79"}[when]
		w.attack(source)
		if s := w.status(); when == "while it runs" {
			w.until("nothing more is stored", func() bool { s = w.status(); return s.Unstored > 0 })
			if len(s.Members) != 1 || s.Members[0].State != members.Behind {
				t.Errorf("it says of itself %+v", s.Members)
			}
		} else if s.Blacklist != nil {
			t.Errorf("%d are said to be blocked, which nobody knows", *s.Blacklist)
		}
		refused(when)
		swap()
		held = append(held, source)
		served(when+", and the right one is back", held)
		w.until("it is ready", func() bool { s := w.status(); return s != nil && s.Ready })
	}
	st, err := store.Open(t.Context(), store.Options{URL: foreign, Instance: "another"})
	if err != nil {
		t.Fatal(err)
	}
	p, _, err := st.Progress(t.Context(), store.Trail{})
	if err := errors.Join(err, st.Close()); err != nil || p.Version != 20 {
		t.Errorf("the other one was changed: %+v, %v", p, err)
	}

	d.stop()
	swap()
	d = w.start()
	refused("at last")
	d.stop()
	w.expectRun(1, "nothing was changed: the daemon, which does not answer, refuses this database", "blacklist", "remove", "192.0.2.1", "--reason", "x")
	d = w.start()
	refused("and again")
	if stdout, stderr, code := w.run("store", "accept"); code != 0 {
		t.Fatal(code, stdout, stderr)
	}
	w.until("it goes on with what was accepted", func() bool { s := w.status(); return s != nil && s.Ready })
	if code, _ := d.stop(); code != 0 {
		t.Errorf("exit status %d", code)
	}
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
