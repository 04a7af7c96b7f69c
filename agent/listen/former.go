package listen

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"

	"activedefense/agent/durable"
)

// readingFile is what, in the folder of a spool, says how its lines are read: Input.Reading.
const readingFile = "input.json"

// A Former is a folder of what an input received that listens no more, or elsewhere, or reads its lines otherwise. It is read to its end as it was when it was received.
type Former struct {
	URL     string // at which it listened
	Pattern string // of its files, as tail reads them
	Reading []byte // the input's
}

// former is such a folder. Nothing is written to it any more.
type former struct {
	dir, url string
	reading  []byte
	log      zerolog.Logger
	since    time.Time // when it was found

	mu    sync.Mutex
	files []sealed
	err   error // why it is not read; nil: it is
}

// formerOf finds the folders that belong to no input as it reads now. Those that hold nothing are removed.
func formerOf(o *Options) (all []*former) {
	entries, err := os.ReadDir(o.Dir)
	if err != nil {
		return nil // there is none yet
	}
	for _, e := range entries {
		if !e.IsDir() || slices.ContainsFunc(o.Inputs, func(in Input) bool { return folderOf(&in) == e.Name() }) {
			continue
		}
		f := &former{dir: filepath.Join(o.Dir, e.Name()), url: urlOf(e.Name()), log: o.Logger, since: o.Now()}
		f.take(o.Readable, o.Inputs)
		if f.finish() {
			continue
		}
		if f.err == nil {
			f.log.Info().Str("folder", f.dir).Str("listen", f.url).Int64("bytes", f.bytes()).Msg("the input that received this is no more, or reads otherwise since; it is read to its end as it was, then removed")
		}
		all = append(all, f)
	}
	return all
}

// urlOf undoes folderOf.
func urlOf(folder string) string {
	network, address, _ := strings.Cut(folder, "-")
	i := strings.LastIndexByte(address, '-')
	if i < 0 {
		return folder
	}
	host := address[:i]
	port, _, _ := strings.Cut(address[i+1:], ".")
	switch {
	case host == "any":
		host = ""
	case strings.Contains(host, ":"):
		host = "[" + host + "]"
	}
	return network + "://" + host + ":" + port
}

// take lists the files, with those that the paths of sealed ones need, and says why they cannot be read. Half a line at the end of one is taken off, as openSpool does.
// What an earlier version left without a word of how it is read is read as the input does that listens there.
func (f *former) take(readable func([]byte) error, inputs []Input) {
	entries, err := os.ReadDir(f.dir)
	for _, e := range entries {
		if stream, _, is := cutNumber(e.Name()); is && ours(stream) && e.Type().IsRegular() {
			err = errors.Join(err, base(filepath.Join(f.dir, stream)))
		}
	}
	if err == nil {
		entries, err = os.ReadDir(f.dir)
	}
	for _, e := range entries {
		path := filepath.Join(f.dir, e.Name())
		base, _, _ := cutNumber(e.Name())
		if !ours(base) || !e.Type().IsRegular() {
			continue
		}
		var stat unix.Stat_t
		if unix.Lstat(path, &stat) != nil {
			continue // deleted since
		}
		if size, err := wholeLines(path, stat.Size); err == nil { // else who reads it says what is wrong
			stat.Size = size
		}
		f.files = append(f.files, sealed{path: path, stream: filepath.Join(f.dir, base), stat: stat})
	}
	slices.Reverse(f.files) // what was sealed ahead of what was written last
	if f.err = err; err != nil {
		return
	}
	if f.reading, f.err = durable.Read(filepath.Join(f.dir, readingFile)); f.err == nil {
		if err := readable(f.reading); err != nil {
			f.err = fmt.Errorf("%s: %w", readingFile, err)
		}
	}
	i := slices.IndexFunc(inputs, func(in Input) bool { return addressOf(&in) == filepath.Base(f.dir) })
	if f.err != nil && i >= 0 {
		f.reading = inputs[i].Reading
		f.err = describe(f.dir, f.reading)
	}
}

// run deletes files as they were read and stored, and the folder behind them, until ctx ends.
func (f *former) run(ctx context.Context, positions func(context.Context) ([]Position, error)) {
	tick := time.NewTicker(soonEvery)
	defer tick.Stop()
	for failing := false; ; {
		err := f.keepOnce(ctx, positions)
		if err != nil && ctx.Err() == nil && !failing {
			f.log.Warn().Err(err).Str("folder", f.dir).Msg("cannot remove what was read of a spool; retrying")
		}
		if failing = err != nil; f.finish() {
			f.log.Info().Str("folder", f.dir).Msg("all of the spool was read, and it is removed")
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// keepOnce deletes what was read to its end, and forgets what a person has deleted.
func (f *former) keepOnce(ctx context.Context, positions func(context.Context) ([]Position, error)) error {
	asked, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	known, err := positions(asked)
	if err != nil {
		return err
	}
	byInode := map[uint64][]Position{}
	for _, p := range known {
		byInode[p.Inode] = append(byInode[p.Inode], p)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	left := map[string]int{}
	for _, file := range f.files {
		left[file.stream]++
	}
	var errs []error
	f.files = slices.DeleteFunc(f.files, func(file sealed) bool {
		if _, err := os.Lstat(file.path); errors.Is(err, fs.ErrNotExist) {
			left[file.stream]--
			return true
		}
		if file.stat.Size == 0 {
			if file.path == file.stream && left[file.stream] > 1 {
				return false // by it the sealed ones are found
			}
		} else if !slices.ContainsFunc(byInode[file.stat.Ino], func(p Position) bool { return p.Device == file.stat.Dev && file.readBy(p) }) {
			return false
		}
		if err := os.Remove(file.path); err != nil {
			errs = append(errs, err)
			return false
		}
		left[file.stream]--
		return true
	})
	return errors.Join(errs...)
}

// finish removes the folder of which nothing is left; not what a person has put there.
func (f *former) finish() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.files) > 0 {
		return false
	}
	_ = os.Remove(filepath.Join(f.dir, readingFile)) // where that fails, an empty folder is left, and looked at again at the next start
	_ = os.Remove(f.dir)
	return true
}

// bytes is what is left.
func (f *former) bytes() (n int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, file := range f.files {
		n += file.stat.Size
	}
	return n
}

// trouble says of a folder that cannot be read how much is in it; ok is false where there is none.
func (f *former) trouble() (t Trouble, ok bool) {
	n := f.bytes()
	if f.err == nil || n == 0 {
		return t, false
	}
	why := f.err.Error()
	if errors.Is(f.err, fs.ErrNotExist) {
		why = "its " + readingFile + ", which says how its lines are read, is missing"
	}
	return Trouble{Since: f.since, Of: "spool " + f.url,
		What:   fmt.Sprintf("input: %s holds %s bytes that were received at %s by an input that is no more or was changed, and they are not read: %s", f.dir, humanize.Comma(n), f.url, why),
		Remedy: fmt.Sprintf("Have an input listen at %s again, with the format that it had, until status shows its files as read; or delete the folder, if nobody needs what is in it", f.url)}, true
}

// Former gives the folders that are to be read beside those of the inputs.
func (s *Server) Former() (all []Former) {
	for _, f := range s.former {
		if f.err == nil {
			all = append(all, Former{f.url, filepath.Join(quoteMeta(f.dir), "*"+suffix), f.reading})
		}
	}
	return all
}
