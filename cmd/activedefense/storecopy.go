package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"activedefense/agent"
	"activedefense/agent/api"
	"activedefense/agent/display"
	"activedefense/agent/state"
	"activedefense/config"
	"activedefense/store"
	"activedefense/store/transfer"
)

func newStoreCopyCommand(a *app) *cobra.Command {
	var to string
	c := &cobra.Command{
		Use:   "copy --to URL",
		Short: "Copy the database from SQLite to PostgreSQL, or back",
		Long: `Copies everything in the database that the configuration names to another one: records, blacklist, evidence, history, allow-list, read positions,
notices and all else that the daemon knows. Both are read and compared, table by table, by their rows and the sum of their SHA-256.

The daemon must not run, and no other agent on the same PostgreSQL; it does not start while the copy is made. What the firewalls log meanwhile
is read afterwards from where the log files were left. A copy that was interrupted goes on by the same command, and nobody
takes it for a database before it is whole. Afterwards name the copy in the configuration (store.url or store.url_file; for SQLite
neither) and start the daemon, with the same state_dir: it goes on where it was. The former database is not changed.

--to is postgres://..., the name of a file that holds such a URL (a password on the command line is seen by all users of this host), sqlite:
for the file of state_dir, or sqlite:///PATH. Nothing else may be in that database.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return copyStore(c.Context(), a, to) },
	}
	c.Flags().StringVar(&to, "to", "", "`URL` of the database of the copy")
	return c
}

// copyStore copies the database of the configuration, which nobody uses meanwhile.
func copyStore(ctx context.Context, a *app, where string) error {
	cfg, err := a.loadPart(config.PartStore, config.PartAdmin)
	if err != nil {
		return err
	}
	from := store.Options{URL: string(cfg.Store.URL), Path: filepath.Join(cfg.StateDir, agent.DatabaseFile)}
	to, err := copyTarget(where, cfg.StateDir)
	if err != nil {
		return err
	}
	to.KeepRecords = cfg.Store.KeepRecords
	if (from.URL == "") == (to.URL == "") {
		return usageErrorf("--to: the database of the configuration is %s too; one PostgreSQL is moved to another by pg_dump and pg_restore, an SQLite file by activedefense store backup", kindOf(to))
	}
	const stop = "stop it first (systemctl stop activedefense): what it would write meanwhile would be missing in the copy"
	if daemon, at := a.daemon(ctx, cfg); daemon != nil {
		return fmt.Errorf("the daemon at %s runs: %s", at, stop)
	}
	instance, release, err := state.Hold(cfg.StateDir)
	if errors.Is(err, state.ErrRunning) {
		return fmt.Errorf("%w: %s", err, stop)
	}
	if err != nil {
		return err
	}
	defer release() // the process ends
	if err := alone(ctx, a, cfg, from, instance, to.URL == ""); err != nil {
		return err
	}
	if to.URL == "" {
		if err := createOwned(to.Path); err != nil {
			return err
		}
	}
	p := &copyProgress{w: a.stderr, every: 10 * time.Second, begun: time.Now(), last: time.Now()}
	if isTerminal(a.stderr) {
		p.w, p.every, p.again = unguarded(a.stderr), time.Second/4, true
	}
	result, err := transfer.Copy(ctx, from, to, transfer.Options{Told: p.tell, Resumed: func(anew bool) {
		if anew {
			fmt.Fprintln(a.stderr, "The database was changed since the copy was interrupted: it begins anew.")
		} else {
			fmt.Fprintln(a.stderr, "Going on where the copy was interrupted.")
		}
	}})
	p.end()
	switch {
	case ctx.Err() != nil:
		return errors.New("interrupted; the same command goes on where it was")
	case err != nil:
		return notCopied(err, from, to)
	}
	if err := moved(ctx, cfg.StateDir, to); err != nil {
		return fmt.Errorf("the copy is whole, but what state_dir knows of the former database does not hold for it: %w; activedefense store accept will say that it does", err)
	}
	return sayCopied(a, result, from, to, time.Since(p.begun))
}

// notCopied says what is to be done where nothing was copied.
func notCopied(err error, from, to store.Options) error {
	switch {
	case errors.Is(err, transfer.ErrCopied):
		return fmt.Errorf("nothing was copied: %w. %s, and start the daemon with the same state_dir", err, nextAfterCopy(from, to))
	case errors.Is(err, transfer.ErrInUse) || errors.Is(err, store.ErrForeign):
		return fmt.Errorf("nothing was copied: %w; name an empty database, or move what is there away", err)
	}
	return err
}

// moved has the daemon take the copy for the database that it was made of.
func moved(ctx context.Context, dir string, to store.Options) error {
	to.Instance = store.CommandLine
	st, err := store.Open(ctx, to)
	if err != nil {
		return err
	}
	defer st.Close() // only read
	return state.Moved(ctx, dir, st)
}

func kindOf(o store.Options) string {
	if o.URL == "" {
		return "SQLite"
	}
	return "PostgreSQL"
}

// copyTarget reads what --to says.
func copyTarget(where, stateDir string) (store.Options, error) {
	switch {
	case where == "":
		return store.Options{}, usageErrorf("--to is missing: give postgres://..., a file that holds such a URL, sqlite: or sqlite:///PATH")
	case strings.HasPrefix(where, "postgres://"), strings.HasPrefix(where, "postgresql://"):
		return store.Options{URL: where}, nil
	case where == "sqlite:":
		return store.Options{Path: filepath.Join(stateDir, agent.DatabaseFile)}, nil
	case strings.HasPrefix(where, "sqlite:"):
		u, err := url.Parse(where)
		if err != nil || u.Host != "" || !filepath.IsAbs(u.Path) || u.RawQuery != "" {
			return store.Options{}, usageErrorf("--to %s: a file is named by its whole path, as in sqlite:///var/lib/activedefense/activedefense.db", where)
		}
		return store.Options{Path: u.Path}, nil
	}
	url, err := urlIn(where)
	if err != nil {
		return store.Options{}, usageErrorf("--to %s: %w", where, err)
	}
	return store.Options{URL: url}, nil
}

// urlIn reads the URL of a PostgreSQL database from a file.
func urlIn(path string) (string, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", errors.New("it is neither the URL of a PostgreSQL database, which begins with postgres://, nor a file that holds one; an SQLite file is named as sqlite:///PATH")
	}
	if err != nil {
		return "", err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, 64<<10))
	if err != nil {
		return "", err
	}
	text := strings.TrimSpace(string(data))
	switch {
	case bytes.HasPrefix(data, []byte("SQLite format 3\x00")):
		return "", errors.New("it is an SQLite file, which is named as sqlite:///PATH")
	case !strings.HasPrefix(text, "postgres://") && !strings.HasPrefix(text, "postgresql://"), strings.ContainsAny(text, "\r\n"):
		return "", errors.New("the file is to hold nothing but the URL of a PostgreSQL database, which begins with postgres://")
	}
	return text, nil
}

// alone makes sure that the database is one that the daemon would take, and that nobody else is at work on it. toSQLite: nobody else may
// belong to it, for such a file is one agent's.
func alone(ctx context.Context, a *app, cfg *config.Config, from store.Options, instance string, toSQLite bool) error {
	st, err := a.open(ctx, cfg, changes)
	if err != nil {
		return err
	}
	if err := st.Close(); err != nil {
		return err
	}
	if from.Instance = instance; instance == "" {
		from.Instance = store.CommandLine
	}
	if st, err = store.Open(ctx, from); err != nil {
		return err
	}
	defer st.Close() // only read
	list, err := st.Members(ctx)
	if err != nil {
		return err
	}
	for _, m := range list {
		switch {
		case m.Self:
		case m.Silence < time.Minute:
			return fmt.Errorf("agent %s on %s works on this database, and gave its last sign of life %s ago: stop it, and try again when a minute has passed", display.Harmless(m.Name), display.Harmless(m.Host), span(m.Silence))
		case toSQLite:
			return fmt.Errorf("agent %s on %s belongs to this database, too, and SQLite is for one agent alone: if it is gone, activedefense members forget %[1]s", display.Harmless(m.Name), display.Harmless(m.Host))
		}
	}
	return nil
}

// createOwned makes the file of a database, which belongs to whom its folder belongs, the daemon's user, also where root makes it.
func createOwned(path string) error {
	info, err := os.Stat(filepath.Dir(path))
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil // what is in it will be seen
	}
	if err != nil {
		return err
	}
	if owner, ok := info.Sys().(*syscall.Stat_t); ok && os.Geteuid() == 0 {
		if err := f.Chown(int(owner.Uid), int(owner.Gid)); err != nil {
			return errors.Join(err, f.Close())
		}
	}
	return f.Close()
}

// A copyProgress tells how far a copy is: at a terminal in one line, else now and then in a line of its own.
type copyProgress struct {
	w     io.Writer
	every time.Duration
	again bool // the line is written over
	begun time.Time
	last  time.Time
	shown bool
}

func (p *copyProgress) tell(t transfer.Progress) {
	now := time.Now()
	if now.Sub(p.last) < p.every {
		return
	}
	what := "copying"
	if t.Checking {
		what = "comparing"
	}
	text := fmt.Sprintf("%s %s: %s of %s rows", what, t.Table, grouped(t.Rows), grouped(t.Of))
	if p.again {
		text = "\r\x1b[K" + text
	} else {
		text += "\n"
	}
	fmt.Fprint(p.w, text)
	p.last, p.shown = now, true
}

// end removes what stands at a terminal.
func (p *copyProgress) end() {
	if p.again && p.shown {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}

// sayCopied says what was copied, and what is to be done to go on with it.
func sayCopied(a *app, r *transfer.Result, from, to store.Options, took time.Duration) error {
	t, all := display.NewTable(a.stdout, "TABLE", "ROWS", "SUM OF SHA-256"), int64(0)
	for _, one := range r.Tables {
		if a.json {
			if err := a.printJSON(map[string]any{"table": one.Name, "rows": one.Rows, "sha256_sum": one.Sum}); err != nil {
				return err
			}
			continue
		}
		all += one.Rows
		t.Row(one.Name, grouped(one.Rows), one.Sum[:16])
	}
	if a.json {
		return nil
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(a.stdout, "%s copied and found equal in %s, from %s to %s. %s, and start the daemon with the same state_dir: it goes on where it was.\n", plural(all, "row"), span(took),
		display.Place(kindOf(from), r.From.Host, r.From.Database), display.Place(kindOf(to), r.To.Host, r.To.Database), nextAfterCopy(from, to))
	return nil
}

// nextAfterCopy says what has the daemon use a copy.
func nextAfterCopy(from, to store.Options) string {
	if to.URL != "" {
		return "Name it in store.url or store.url_file"
	}
	next := "Take store.url and store.url_file out of the configuration"
	if dir := filepath.Dir(to.Path); dir != filepath.Dir(from.Path) {
		next += ", put the file into state_dir as " + agent.DatabaseFile
	}
	return next
}

func newStoreBackupCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "backup FILE",
		Short: "Back up the SQLite database to a new file, and the files of records beside it, while the daemon runs or without it",
		Long: `Writes the SQLite database as it is at this moment to a new file, which has its name when it was read to its end and found whole, and before that the
files of records that it names into the folder "records" beside it, each held against its checksums. Files that are there already stay, so that a backup
into the same folder copies what is new. With a daemon running it is the daemon who reads; operators may ask for it. The files hold all that is recorded:
only their owner may read them.

A PostgreSQL database is backed up by pg_dump; which command does that for the configured one is said.`,
		Args: exactlyOne("a FILE that is not there yet"),
		RunE: func(c *cobra.Command, args []string) error { return backupStore(c.Context(), a, args[0]) },
	}
}

// backupStore has the database written to a file beside the one that is meant, and gives it that name when it was found whole and the files are there that it names.
func backupStore(ctx context.Context, a *app, path string) error {
	if _, err := os.Lstat(path); err == nil {
		return fmt.Errorf("%s is there already, and stays as it is: name a new file", path)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	client, done, err := a.ask(ctx, reads, a.needing(forRelease...))
	if err != nil {
		return err
	}
	defer done()
	for range backupTries {
		if err = backupOnce(ctx, a, client, path); !notFound(err) {
			return err
		}
	}
	return fmt.Errorf("files of records were merged again and again while they were copied; try again: %w", err)
}

// backupTries is how often a backup begins anew because files that the database named were merged before they were copied. What was copied stays.
const backupTries = 5

// notFound tells whether the daemon does not have what it was asked for.
func notFound(err error) bool {
	f, is := errors.AsType[*api.Fault](err)
	return is && f.Status == http.StatusNotFound
}

// backupOnce is backupStore without another try.
func backupOnce(ctx context.Context, a *app, client *api.Client, path string) (err error) {
	name, err := fetched(ctx, client, "backup", path)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(name))
		}
	}()
	found, err := store.CheckBackup(ctx, name)
	if err != nil {
		return fmt.Errorf("what came is no backup, and was removed: %w", err)
	}
	files, lacking, err := backupFiles(ctx, client, name, filepath.Join(filepath.Dir(path), store.RecordsFolder))
	if err != nil {
		return err
	}
	info, err := os.Stat(name)
	if err != nil {
		return err
	}
	if err = os.Rename(name, path); err != nil {
		return err
	}
	if a.json {
		err = a.printJSON(map[string]any{"file": path, "bytes": info.Size(), "identity": found.Identity, "schema": found.Schema, "version": found.Version, "blocked": found.Blocked, "record_files": files})
	} else {
		fmt.Fprintf(a.stdout, "%s: %s, whole, with %s blocked (blacklist version %d); it needs the %s in %s.\n", path, display.Bytes(info.Size()), plural(found.Blocked, "entry"), found.Version,
			plural(int64(files), "file"), filepath.Join(filepath.Dir(path), store.RecordsFolder))
	}
	if err == nil && len(lacking) > 0 {
		return &statusError{1, fmt.Errorf("the backup is there, and lacks the records of %s that cannot be read: %w", plural(int64(len(lacking)), "file"), errors.Join(lacking...))}
	}
	return err
}

// backupFiles copies the files that a backup names into a folder, but for those that are there. lacking is which the daemon cannot read.
func backupFiles(ctx context.Context, client *api.Client, backup, folder string) (n int, lacking []error, err error) {
	files, err := store.RecordFiles(ctx, backup)
	if err != nil {
		return 0, nil, err
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return 0, nil, err
	}
	for _, f := range files {
		path := filepath.Join(folder, f.Name)
		if store.CheckRecordFile(ctx, folder, f) == nil {
			continue
		}
		name, err := fetched(ctx, client, "backup/"+api.Escape(f.Name), path)
		if notFound(err) || ctx.Err() != nil {
			return 0, nil, errors.Join(err, ctx.Err())
		}
		if err == nil {
			if err := os.Rename(name, path); err != nil {
				return 0, nil, errors.Join(err, os.Remove(name))
			}
			err = store.CheckRecordFile(ctx, folder, f)
		}
		if err != nil {
			lacking = append(lacking, err)
		}
	}
	return len(files), lacking, nil
}

// fetched has a file written beside path, under another name, which it gives. Its mode is 0600.
func fetched(ctx context.Context, client *api.Client, what, path string) (name string, err error) {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".partial-*")
	if err != nil {
		return "", err
	}
	if err = client.Fetch(ctx, what, f); err == nil {
		err = f.Sync()
	}
	if err = errors.Join(asked(err), f.Close()); err != nil {
		return "", errors.Join(err, os.Remove(f.Name()))
	}
	return f.Name(), nil
}
