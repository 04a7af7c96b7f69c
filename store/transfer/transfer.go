// Package transfer copies a database of package store, all that is in it, from SQLite to PostgreSQL or back.
//
// The one that is copied is only read, as it is at one moment; nobody may write to it meanwhile, which is the caller's to see to, and is
// told if it was so. The copy is made in a database in which nothing is, and is of no use to anybody ([store.ErrUnfinished]) until it is
// whole and was read again: the rows of each table are counted, and the SHA-256 of all rows added up, as they were read and as they are
// found. A copy that was interrupted goes on where it was, for it keeps how far it is in the transactions that bring it there; where the
// one that is copied has changed since, it begins anew. Memory is bounded: some megabytes of rows at a time.
//
// It knows no configuration and no state folder, and logs nothing.
package transfer

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"activedefense/store"
)

var (
	// ErrInUse: the copy would be made where something else is.
	ErrInUse = errors.New("it is not empty")
	// ErrCopied: the copy was made before, and neither it nor what it was made of has changed since.
	ErrCopied = errors.New("it is a copy of this database already, which is whole")
	// ErrChanged: the database that is copied was changed meanwhile.
	ErrChanged = errors.New("the database was changed while it was copied; end whoever uses it, and run the command again: it begins anew")
	// ErrDifferent: the copy is not what was copied.
	ErrDifferent = errors.New("the copy is not equal")
)

// Progress is how far a copy is. It is told after every batch of rows, and last when a table is Done.
type Progress struct {
	Table    string
	Rows, Of int64
	Checking bool // the copy is read again
	Done     bool
	Sum      string // of the rows, where Done; 64 hexadecimal digits
}

// Options say what is told meanwhile. The functions may be nil.
type Options struct {
	Told func(Progress)
	// Resumed is called where a copy goes on that was interrupted, or begins anew since the source has changed.
	Resumed func(anew bool)

	batch int // rows that are written at once; 0: batchRows
}

// Result is what was copied.
type Result struct {
	Tables []Table
	From   store.Place
	To     store.Place
}

// Table is one of them.
type Table struct {
	Name string
	Rows int64
	Sum  string
}

// Copy copies from one database to another of the other kind. An error that wraps [ErrInUse], [ErrCopied] or [store.ErrForeign] means that
// nothing was done; after any other, the same call goes on.
func Copy(ctx context.Context, from, to store.Options, o Options) (result *Result, err error) {
	if o.Told == nil {
		o.Told = func(Progress) {}
	}
	if o.Resumed == nil {
		o.Resumed = func(bool) {}
	}
	if o.batch == 0 {
		o.batch = batchRows
	}
	if (from.URL == "") == (to.URL == "") {
		return nil, errors.New("a copy goes from SQLite to PostgreSQL, or back")
	}
	source, err := store.OpenBare(ctx, from)
	if err != nil {
		return nil, fmt.Errorf("the database that is copied: %w", err)
	}
	defer source.Close() // only read
	target, err := store.OpenBare(ctx, to)
	if err != nil {
		return nil, fmt.Errorf("the database of the copy: %w", err)
	}
	c := &copier{Options: o, source: source, target: target}
	if err = c.run(ctx); err == nil {
		result = &Result{From: source.Place(), To: target.Place()}
		for i := range tables {
			m := c.marks[tables[i].name]
			result.Tables = append(result.Tables, Table{tables[i].name, m.Rows, m.Sum.String()})
		}
	}
	if err2 := target.Close(); err == nil && err2 != nil {
		return nil, fmt.Errorf("close the copy: %w", err2)
	}
	return result, err
}

type copier struct {
	Options
	source, target *store.Bare
	marks          map[string]mark
}

func (c *copier) run(ctx context.Context) error {
	of, err := c.copyAll(ctx)
	if err != nil {
		return err
	}
	if err := c.check(ctx); err != nil {
		return err
	}
	now, err := c.state(ctx)
	if err != nil {
		return err
	}
	if now != of {
		return ErrChanged
	}
	return finish(ctx, c.target)
}

// copyAll copies what is not there yet of one state of the source, and gives that state.
func (c *copier) copyAll(ctx context.Context) (of string, err error) {
	r, err := newReader(ctx, c.source)
	if err != nil {
		return "", err
	}
	defer r.close() // nothing was written
	if of, err = r.state(ctx); err != nil {
		return "", fmt.Errorf("look how far the database is: %w", err)
	}
	if err := c.resume(ctx, r, of); err != nil {
		return "", err
	}
	for i := range tables {
		if err := c.copyTable(ctx, r, &tables[i]); err != nil {
			return "", fmt.Errorf("copy %s: %w", tables[i].name, err)
		}
	}
	return of, nil
}

// resume goes on with a copy of that state, or begins one.
func (c *copier) resume(ctx context.Context, source *reader, of string) error {
	was, marks, there, err := kept(ctx, c.target)
	if err != nil {
		return fmt.Errorf("look how far the copy is: %w", err)
	}
	if there && was == of {
		c.marks = marks
		c.Resumed(false)
		return nil
	}
	if !there {
		what, err := inhabited(ctx, c.target)
		if err != nil {
			return fmt.Errorf("look what is where the copy shall be: %w", err)
		}
		if what != "" {
			if whole, err := c.whole(ctx, source, of); err != nil || whole {
				return fmt.Errorf("the database of the copy: %w", cmp.Or(err, ErrCopied))
			}
			return fmt.Errorf("the database of the copy: %w: there are rows in its table %s", ErrInUse, what)
		}
	} else {
		c.Resumed(true)
	}
	c.marks = make(map[string]mark)
	return begin(ctx, c.target, of)
}

// whole tells whether the copy of that state was made before: it is as far, and each table has as many rows. Its identity is its own, and so
// are who uses it and their signs of life.
func (c *copier) whole(ctx context.Context, source *reader, of string) (bool, error) {
	r, err := newReader(ctx, c.target)
	if err != nil {
		return false, err
	}
	defer r.close() // nothing was written
	is, err := r.state(ctx)
	if err != nil || withoutIdentity(is) != withoutIdentity(of) {
		return false, err
	}
	for i := range tables {
		t := &tables[i]
		if t.name == "agents" || t.name == "agent_signs" {
			continue
		}
		there, err := r.count(ctx, t)
		if err != nil {
			return false, err
		}
		if n, err := source.count(ctx, t); err != nil || n != there {
			return false, err
		}
	}
	return true, nil
}

// copyTable copies what is not there yet of a table.
func (c *copier) copyTable(ctx context.Context, r *reader, t *table) error {
	m := c.marks[t.name]
	if m.Whole {
		return nil
	}
	all, err := r.count(ctx, t)
	if err != nil {
		return err
	}
	w := &writer{db: c.target, t: t, mark: m, most: c.batch, days: make(map[int64]bool)}
	told := m.Rows
	err = r.each(ctx, t, m.At, func(row []byte, at place) error {
		if w.mark.Rows-told >= int64(c.batch) {
			told = w.mark.Rows
			c.Told(Progress{Table: t.name, Rows: told, Of: all})
		}
		return w.add(ctx, row, at)
	})
	if err == nil && w.mark.Rows != all {
		err = fmt.Errorf("%w: %d rows were read of %d; remove the copy, and make another one", ErrDifferent, w.mark.Rows, all)
	}
	if err == nil {
		err = w.end(ctx)
	}
	if err != nil {
		return errors.Join(err, w.close())
	}
	c.marks[t.name] = w.mark
	c.Told(Progress{Table: t.name, Rows: w.mark.Rows, Of: all, Done: true, Sum: w.mark.Sum.String()})
	return nil
}

// check reads the copy, and compares it with what was read for it.
func (c *copier) check(ctx context.Context) error {
	r, err := newReader(ctx, c.target)
	if err != nil {
		return err
	}
	defer r.close() // nothing was written
	for i := range tables {
		t := &tables[i]
		want, got := c.marks[t.name], mark{}
		err := r.each(ctx, t, place{}, func(row []byte, _ place) error {
			got.Rows++
			if got.Sum.add(row); got.Rows%int64(c.batch) == 0 {
				c.Told(Progress{Table: t.name, Rows: got.Rows, Of: want.Rows, Checking: true})
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("read the copy of %s: %w", t.name, err)
		}
		if got.Rows != want.Rows || got.Sum != want.Sum {
			return fmt.Errorf("%w: %s has %d rows with the sum %s, and %d with %s were read; remove the copy, and make another one", ErrDifferent, t.name, got.Rows, got.Sum, want.Rows, want.Sum)
		}
		c.Told(Progress{Table: t.name, Rows: got.Rows, Of: want.Rows, Checking: true, Done: true, Sum: got.Sum.String()})
	}
	return nil
}

// state tells how far the source is now.
func (c *copier) state(ctx context.Context) (string, error) {
	r, err := newReader(ctx, c.source)
	if err != nil {
		return "", err
	}
	defer r.close() // nothing was written
	return r.state(ctx)
}
