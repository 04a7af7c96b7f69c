package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"activedefense/store/block"
)

// What a record is stands with the columns in which it is kept.
type (
	Record   = block.Record
	Protocol = block.Protocol
	Outcome  = block.Outcome
	Grade    = block.Grade
)

// The values of Protocol, Outcome and Grade.
const (
	ProtocolUnknown = block.ProtocolUnknown
	TCP             = block.TCP
	UDP             = block.UDP
	ICMP            = block.ICMP
	OtherProtocol   = block.OtherProtocol

	OutcomeUnknown = block.OutcomeUnknown
	Refused        = block.Refused
	Answered       = block.Answered
	LateAnswer     = block.LateAnswer

	GradeUnknown = block.GradeUnknown
	Forgeable    = block.Forgeable
	Proven       = block.Proven
)

// storedForm makes of one record after the other the form in which both databases keep it. Most texts of a log are
// those of the line before, which are known to be clean.
type storedForm struct{ Record }

// take makes the form of r, which stays as it is.
func (f *storedForm) take(r *Record) {
	last := f.Record
	f.Record = *r
	f.Time = clamp(r.Time)
	f.Src, f.Dst = canonicalAddr(r.Src), canonicalAddr(r.Dst)
	before := last.Texts()
	for i, s := range f.Texts() {
		if *s != *before[i] {
			*s = clean(*s)
		}
	}
}

// smallColumns name block.Record.Smalls, textColumns name block.Record.Texts, in the same order.
const (
	smallColumns = "protocol, outcome, grade"
	textColumns  = "device, src_country, dst_country, action, rule, rule_id, subtype, type, application, from_zone, to_zone, session_end_reason, " +
		"src_user, threat_name, threat_id, severity, direction, category, client"
)

// errEnough stops a search when the limit is reached.
var errEnough = errors.New("limit reached")

func enough(err error) error {
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}

// ErrStopped: the search took longer than RecordFilter.Within.
var ErrStopped = errors.New("the search was stopped for the time that it took")

// Records calls fn for the records that match, newest first by their time. The record is valid during
// the call only. An error of fn ends the search and is returned. What is stored or pruned while fn works may
// be among them or not.
func (s *Store) Records(ctx context.Context, f RecordFilter, fn func(*Record) error) error {
	left := f.Limit
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	watch := newStopwatch(f.Within, func() { stop(ErrStopped) })
	defer watch.pause()
	var refused error // fn's
	paths, err := s.pathsFor(ctx, &f)
	watch.pause()
	watch.resume()
	if err == nil {
		err = s.records.search(ctx, &f, func(r *Record) error {
			r.Path, r.Agent = paths[FileKey{Agent: r.Agent, ID: r.File}], 0
			watch.pause()
			if refused = fn(r); refused != nil {
				return refused
			}
			watch.resume()
			if left--; left == 0 {
				return errEnough
			}
			return nil
		})
	}
	if err = enough(err); err != nil && refused == nil && errors.Is(context.Cause(ctx), ErrStopped) {
		return ErrStopped
	}
	return s.failed("search the records", err)
}

// CountRecords tells how many records match, whatever the limit of the filter; 0 where they could not be counted in Within (ErrStopped). What is damaged is not among them, and
// told as by Records: what could be counted comes with the error.
func (s *Store) CountRecords(ctx context.Context, f RecordFilter) (n int64, err error) {
	if f.Within > 0 {
		limited, stop := context.WithTimeoutCause(ctx, f.Within, ErrStopped)
		defer stop()
		ctx = limited
	}
	f.Paths = false
	if _, err = s.pathsFor(ctx, &f); err == nil {
		n, err = s.records.count(ctx, &f)
	}
	if err != nil && errors.Is(context.Cause(ctx), ErrStopped) {
		return 0, ErrStopped
	}
	return n, s.failed("count the records", err)
}

// pathsFor gives what the files are called, if a filter asks for it, and looks up those that it names.
func (s *Store) pathsFor(ctx context.Context, f *RecordFilter) (paths map[FileKey]string, err error) {
	if !f.Paths && len(f.File) == 0 {
		return nil, nil
	}
	if paths, err = s.paths(ctx); err != nil {
		return nil, err
	}
	if len(f.File) > 0 {
		f.Files = []FileKey{} // of none
	}
	for k, path := range paths {
		if isOf(path, f.File) {
			f.Files = append(f.Files, k)
		}
	}
	slices.SortFunc(f.Files, func(a, b FileKey) int { return cmp.Compare(a.ID, b.ID) })
	if !f.Paths {
		return nil, nil
	}
	return paths, nil
}

// paths gives what the files of all agents are called now.
func (s *Store) paths(ctx context.Context) (paths map[FileKey]string, err error) {
	paths = make(map[FileKey]string)
	err = forEach(ctx, s.readers, func(rows *sql.Rows) error {
		var k FileKey
		var path []byte
		err := rows.Scan(&k.Agent, &k.ID, &path)
		paths[k] = string(path)
		return err
	}, `SELECT agent, id, path FROM positions`)
	return paths, err
}

// A stopwatch calls over when it has run for long enough, without the time for which it was paused. It is for one goroutine; the
// zero value never does.
type stopwatch struct {
	timer *time.Timer
	over  func()
	since time.Time
	left  time.Duration
}

func newStopwatch(most time.Duration, over func()) *stopwatch {
	if most <= 0 {
		return &stopwatch{}
	}
	return &stopwatch{time.AfterFunc(most, over), over, time.Now(), most}
}

func (w *stopwatch) pause() {
	if w.timer != nil {
		w.timer.Stop()
		w.left -= time.Since(w.since)
	}
}

func (w *stopwatch) resume() {
	switch {
	case w.timer == nil:
	case w.left <= 0:
		w.over() // before anything more is read
	default:
		w.since = time.Now()
		w.timer.Reset(w.left)
	}
}

// Unseen is a value that a filter asks for and no record has.
type Unseen struct {
	Column string // such as "action"; of several, the first
	Value  string
	Seen   []string // what records have there, in order; of more than mostSeen the first ones
}

// mostSeen is how many values of a column are told.
const mostSeen = 20

// Unseen says which of the texts that a filter asks for no record of its time has. It looks through all records of that time, so
// that it may take long.
func (s *Store) Unseen(ctx context.Context, f RecordFilter) (list []Unseen, err error) {
	if list, err = s.unseenFiles(ctx, &f); err != nil {
		return nil, s.failed("look for what records have", err)
	}
	for _, t := range f.textFilters() {
		if t.stars { // there may be very many, and strangers choose them
			for _, value := range t.want {
				n := 0
				err := s.Records(ctx, RecordFilter{Conditions: Conditions{Since: f.Since, Until: f.Until, User: []string{value}}, Limit: 1}, func(*Record) error { n++; return nil })
				if err != nil {
					return nil, err
				}
				if n == 0 {
					list = append(list, Unseen{t.columns[0], value, nil})
				}
			}
			continue
		}
		seen := make(map[string]string) // by lower case
		for _, column := range t.columns {
			if err := s.different(ctx, column, &f, nil, seen); err != nil {
				return nil, err
			}
		}
		shown := seen
		if column := t.columns[0]; column == "application" || column == "session_end_reason" {
			shown = make(map[string]string)
			// Records of logins have something else there: the method, and why it failed.
			if err := s.different(ctx, column, &f, []string{"GLOBALPROTECT", "SYSTEM"}, shown); err != nil {
				return nil, err
			}
		}
		told := slices.Sorted(maps.Values(shown))
		for _, value := range t.want {
			if _, is := seen[strings.ToLower(value)]; !is && value != "" {
				list = append(list, Unseen{t.columns[0], value, told[:min(len(told), mostSeen)]})
			}
		}
	}
	return list, nil
}

// unseenFiles is Unseen for files: of those that are there now, whatever their records' times.
func (s *Store) unseenFiles(ctx context.Context, f *RecordFilter) (list []Unseen, err error) {
	if len(f.File) == 0 {
		return nil, nil
	}
	known, err := s.paths(ctx)
	if err != nil {
		return nil, err
	}
	paths := slices.Compact(slices.Sorted(maps.Values(known)))
	for _, want := range f.File {
		if !slices.ContainsFunc(paths, func(path string) bool { return isOf(path, []string{want}) }) {
			list = append(list, Unseen{"file", want, paths[:min(len(paths), mostSeen)]})
		}
	}
	return list, nil
}

// different adds the values that a column of texts has in the records of a filter's time, but in those of some types.
func (s *Store) different(ctx context.Context, column string, f *RecordFilter, without []string, seen map[string]string) error {
	err := s.records.different(ctx, column, f, without, func(value string) { seen[strings.ToLower(value)] = value })
	return s.failed("look for what records have", err)
}

// differentRows calls fn for the values that a column of texts has in rows.
func differentRows(ctx context.Context, q querier, d *dialect, column string, f *RecordFilter, without []string, fn func(string)) error {
	var w where
	w.add(column + " <> ''")
	for _, typ := range without {
		w.add("type <> ?", typ)
	}
	w.addTimes(d, f)
	return forEach(ctx, q, func(rows *sql.Rows) error {
		var value string
		err := rows.Scan(&value)
		fn(value)
		return err
	}, `SELECT DISTINCT `+column+` FROM records`+w.String(), w.args...)
}

// PruneRecords removes the records older than before, in small steps between which others can write, so
// that it may take long and may have done a part when it returns an error. PostgreSQL drops the
// partitions of whole days; records of the day in which before lies are kept until that day is over,
// unless before is less than two days ago. There, the number of removed records is an estimate for
// partitions above 64 MB.
func (s *Store) PruneRecords(ctx context.Context, before time.Time) (removed int64, err error) {
	if err := s.expected(ctx, "remove old records"); err != nil {
		return 0, err
	}
	if removed, err = s.records.prune(ctx, clamp(before)); err == nil && s.archive != nil {
		var files int64
		files, err = s.archive.Prune(ctx, clamp(before))
		removed += files
	}
	return removed, s.failed("remove old records", err)
}

// PruneFuture removes the records that are dated at from or later, as PruneRecords removes old ones; of PostgreSQL's partitions those
// of whole days.
func (s *Store) PruneFuture(ctx context.Context, from time.Time) (removed int64, err error) {
	if err := s.expected(ctx, "remove records of the future"); err != nil {
		return 0, err
	}
	if removed, err = s.records.pruneFuture(ctx, clamp(from)); err == nil && s.archive != nil {
		var files int64
		files, err = s.archive.PruneFuture(ctx, clamp(from))
		removed += files
	}
	return removed, s.failed("remove records of the future", err)
}

// Size is what the database takes, in bytes.
type Size struct {
	// Used is taken: of SQLite the pages in use of the whole file and the files of records, of PostgreSQL the tables of the records with their indexes, and the files where there are some.
	Used int64
	// Files is what the files of records have of it.
	Files int64
	// Spare is free within SQLite's file, and used before the file grows.
	Spare int64
	// File is SQLite's file, on whose file system there must be room; empty for PostgreSQL.
	File string
}

// Size tells what the database takes.
func (s *Store) Size(ctx context.Context) (size Size, err error) {
	err = s.bound(ctx, func(ctx context.Context) error {
		if size, err = s.records.size(ctx); err == nil && s.archive != nil {
			size.Files, err = filesSize(ctx, s.readers)
			size.Used += size.Files
		}
		return err
	})
	return size, s.failed("read the size of the database", err)
}

// PruneTo removes the oldest records, as PruneRecords removes old ones, until Size.Used is at most most; none that are dated keep or later.
// PostgreSQL drops days that ended before keep. It tells how many were removed; Size tells whether that was enough.
func (s *Store) PruneTo(ctx context.Context, most int64, keep time.Time) (removed int64, err error) {
	if err := s.expected(ctx, "remove the oldest records"); err != nil {
		return 0, err
	}
	if s.archive == nil || s.kind == kindPostgres {
		removed, err = s.records.pruneTo(ctx, most, clamp(keep))
		return removed, s.failed("remove the oldest records", err)
	}
	// Files have what is oldest, as far as it is not much.
	size, err := s.Size(ctx)
	if err != nil {
		return 0, err
	}
	if removed, err = s.archive.Free(ctx, size.Used-most, clamp(keep)); err == nil {
		size.Files, err = filesSize(ctx, s.readers)
	}
	if err == nil {
		var others int64
		others, err = s.records.pruneTo(ctx, most-size.Files, clamp(keep))
		removed += others
	}
	return removed, s.failed("remove the oldest records", err)
}
