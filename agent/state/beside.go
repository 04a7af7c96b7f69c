package state

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"activedefense/store"
)

// ErrNoDatabase means that no daemon has run with a configuration yet.
var ErrNoDatabase = errors.New("there is no database yet")

// OpenBeside opens a database beside the daemon that uses it, or without one: that of the URL, or, if it is empty, SQLite's in a state folder.
// Only a daemon keeps read positions, under its own name. Where there is none, the error wraps ErrNoDatabase. Nothing is written to one
// that the daemon would refuse (see Refused): where it has an earlier schema, the error wraps why, [store.ErrSchemaOlder], and says what to do.
func OpenBeside(ctx context.Context, dir, url string) (*store.Store, error) {
	opts, err := beside(dir, url)
	if err != nil {
		return nil, err
	}
	opts.Before = func(ctx context.Context, st *store.Store) error { return Refused(ctx, dir, st) }
	st, err := open(ctx, opts)
	if !errors.Is(err, ErrBehind) && !errors.Is(err, ErrUnknown) {
		return st, err
	}
	why := err
	if st, err = OpenAsIs(ctx, dir, url); err != nil {
		return nil, err
	}
	if older := store.Older(st); older != nil {
		return nil, errors.Join(fmt.Errorf("%w; nothing is written to it, so that it cannot be read: %w; put the database back as it was, or go on with this one: activedefense store accept", why, older), st.Close())
	}
	return st, nil
}

// OpenAsIs is OpenBeside where nothing is to be written, whatever the schema (see [store.Options].AsIs).
func OpenAsIs(ctx context.Context, dir, url string) (*store.Store, error) {
	opts, err := beside(dir, url)
	if err != nil {
		return nil, err
	}
	opts.AsIs = true
	return open(ctx, opts)
}

func beside(dir, url string) (store.Options, error) {
	opts := store.Options{URL: url, Path: filepath.Join(dir, DatabaseFile), Instance: store.CommandLine}
	if opts.URL == "" {
		if _, err := os.Stat(opts.Path); errors.Is(err, fs.ErrNotExist) {
			return opts, fmt.Errorf("%w at %s: has the daemon run with this configuration?", ErrNoDatabase, opts.Path)
		}
	}
	return opts, nil
}

func open(ctx context.Context, opts store.Options) (*store.Store, error) {
	st, err := store.Open(ctx, opts)
	if err != nil {
		return nil, fmt.Errorf("open the store: %w", err)
	}
	return st, nil
}
