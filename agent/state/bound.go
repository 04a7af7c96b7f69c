package state

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/rs/zerolog"

	"activedefense/agent/loop"
	"activedefense/store"
)

const (
	// boundEvery is how often the size of the database is looked at: a gigabyte may come between two looks, not more.
	boundEvery = time.Minute
	// boundTold is for how long it stays a trouble that records went before their time, and how often it is logged.
	boundTold = time.Hour
)

// A Bounder keeps the database within its bound, and room on SQLite's disk: the oldest records go for it, blocks never.
type Bounder struct {
	Store   *store.Store
	MaxSize int64         // bytes; 0: no bound
	Least   time.Duration // younger records stay, for a restart counts them again
	Log     zerolog.Logger
	Now     func() time.Time                                   // as far as the clock can be believed
	Disk    func(folder string) (free, whole int64, err error) // bytes of its file system; DiskRoom

	mu      sync.Mutex
	since   time.Time // of the trouble
	last    time.Time // when records went
	logged  time.Time
	removed int64 // since then
	what    string
	remedy  string
	size    *int64 // nil: not known yet
}

// Run looks every minute until ctx ends, and at the beginning how much there is.
func (b *Bounder) Run(ctx context.Context) error {
	// An error comes again in a minute.
	_, _ = b.look(ctx)
	for loop.Pause(ctx, boundEvery) {
		if err := b.boundOnce(ctx); err != nil && ctx.Err() == nil {
			b.Log.Warn().Err(err).Msg("cannot keep the database within its bounds; retrying in a minute")
		}
	}
	return nil
}

// look looks how much there is.
func (b *Bounder) look(ctx context.Context) (store.Size, error) {
	size, err := b.Store.Size(ctx)
	if err == nil {
		b.mu.Lock()
		b.size = &size.Used
		b.mu.Unlock()
	}
	return size, err
}

// Size is how many bytes the database took when that was last looked at; nil: it was not yet.
func (b *Bounder) Size() *int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.size
}

// boundOnce removes what is too much.
func (b *Bounder) boundOnce(ctx context.Context) error {
	size, err := b.look(ctx)
	if err != nil {
		return err
	}
	limit, low, err := b.limit(size)
	if err != nil {
		return err
	}
	var removed int64
	if size.Used > limit {
		removed, err = b.Store.PruneTo(ctx, limit, b.Now().Add(-b.Least))
		if after, e := b.look(ctx); e == nil {
			size = after
		}
	}
	b.note(removed, size.Used > limit, low)
	return err
}

// limit is how much the database may take now, and what is short on the disk, in words; empty: nothing is.
func (b *Bounder) limit(size store.Size) (limit int64, low string, err error) {
	limit = size.Used
	if b.MaxSize > 0 {
		limit = min(limit, b.MaxSize)
	}
	if size.File == "" {
		return limit, "", nil // the server's disk cannot be seen from here
	}
	free, whole, err := b.Disk(filepath.Dir(size.File))
	if err != nil {
		return limit, "", fmt.Errorf("look at the disk of the database: %w", err)
	}
	reserve := Reserve(whole)
	if free < reserve {
		low = fmt.Sprintf("the disk of %s has %s free, less than its reserve of %s", size.File, humanize.Bytes(uint64(free)), humanize.Bytes(uint64(reserve)))
		// What is free within the file is room, too.
		limit = min(limit, size.Used-max(reserve-free-size.Spare, 0))
	}
	return limit, low, nil
}

// Reserve is how much of a file system of so many bytes is to be free for blocks: 2 % and at least 1 GiB, which SQLite's log (64 MiB), a
// pruning and weeks of blocks fit into; of a small one a tenth.
func Reserve(whole int64) int64 { return min(max(1<<30, whole/50), whole/10) }

// DiskRoom tells what is free for us on the file system of a folder, and how large it is, in bytes.
func DiskRoom(folder string) (free, whole int64, err error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(folder, &s); err != nil {
		return 0, 0, err
	}
	return int64(s.Bavail) * s.Bsize, int64(s.Blocks) * s.Bsize, nil
}

// note remembers what was found, and says it, the same once an hour.
func (b *Bounder) note(removed int64, over bool, low string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.Now()
	if b.removed += removed; removed > 0 {
		b.last = now
	}
	if !over && low == "" && (b.last.IsZero() || now.Sub(b.last) >= boundTold) {
		b.since, b.last, b.removed, b.what = time.Time{}, time.Time{}, 0, ""
		return
	}
	if b.since.IsZero() {
		b.since, b.logged = now, time.Time{}
	}
	b.what, b.remedy = "capacity: the records reached store.max_size ("+humanize.Bytes(uint64(b.MaxSize))+")", "raise store.max_size, or shorten store.keep_records"
	if low != "" {
		b.what, b.remedy = "capacity: "+low, "free space there, or shorten store.keep_records; when the disk is full, reading stops"
	}
	if !b.last.IsZero() {
		b.what += ": the oldest go before their time"
	}
	if over {
		b.what += "; what is left is too young to go (a restart counts it again), or PostgreSQL's present day"
	}
	if now.Sub(b.logged) >= boundTold {
		b.Log.Warn().Int64("records", b.removed).Msg(b.what + "; " + b.remedy)
		b.logged, b.removed = now, 0
	}
}

// Trouble tells what a person should see to, and since when; empty: nothing.
func (b *Bounder) Trouble() (since time.Time, what, remedy string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.since, b.what, b.remedy
}
