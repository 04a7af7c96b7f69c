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
// Only a daemon keeps read positions, under its own name. Where there is none, the error wraps ErrNoDatabase.
func OpenBeside(ctx context.Context, dir, url string) (*store.Store, error) {
	opts := store.Options{URL: url, Path: filepath.Join(dir, DatabaseFile), Instance: store.CommandLine}
	if opts.URL == "" {
		if _, err := os.Stat(opts.Path); errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("%w at %s: has the daemon run with this configuration?", ErrNoDatabase, opts.Path)
		}
	}
	st, err := store.Open(ctx, opts)
	if err != nil {
		return nil, fmt.Errorf("open the store: %w", err)
	}
	return st, nil
}
